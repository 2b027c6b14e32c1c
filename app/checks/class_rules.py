"""Labels that live on: a labeling under the class ids of one made before follows that one's rule."""

from app import downloads
from app.checks.inputs import Inputs
from core.db.resources import Labeling
from core.specs.labelings import GeometryLabelingSpec, GeometryOptions, KMeansLabelingSpec
from g2l.controls import KMEANS_FILE

RuledSpec = GeometryLabelingSpec | KMeansLabelingSpec
_RULES = {
    "geometry": {*GeometryOptions.model_fields, "anchor_set_id"} - {"name"},
    "k-means": {"embedder", "n_classes", "views", "seed"},
}


def with_rule_of(inputs: Inputs, spec: RuledSpec, older: Labeling) -> RuledSpec:
    """The spec with every option of an older labeling; notes what contradicts that one."""
    if older.method != spec.method:
        inputs.refuse(
            "classes_of",
            f"{older.id} is a {older.method} labeling, and this is to be {spec.method}; name one that is.",
        )
        return spec
    if spec.method == "k-means" and not (downloads.folder(older.artifact) / KMEANS_FILE).exists():
        inputs.refuse(
            "classes_of", f"{older.id} was made before clusters were kept; make it again, then name that one."
        )
    options = {name: field for name, field in type(spec).model_fields.items() if name in _RULES[spec.method]}
    # An option that is younger than the labeling had its default then.
    defaults = {name: field.default for name, field in options.items() if not field.is_required()}
    rule = defaults | {name: value for name, value in older.spec.items() if name in options}
    for name, value in rule.items():
        if name in spec.model_fields_set and getattr(spec, name) != value:
            inputs.refuse(
                name,
                f"{older.id} has {value!a}, which its classes stand on; leave the field out, or give that.",
            )
    return spec.model_copy(update=rule)
