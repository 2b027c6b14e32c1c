"""What the method's own error codes mean; they reach users as the errors of jobs.

Listed by hand, because some live in modules that load torch; a test holds the list complete.
"""

from typing import Final

# code -> (title, what to do about it)
METHOD: Final[dict[str, tuple[str, str]]] = {
    "method-error": (
        "The method cannot serve this request",
        "The detail says which input could not be used, and why.",
    ),
    "unsupported-archive": (
        "The file is not an archive that can be read",
        "Send a .zip, .tar, .tar.gz, .parquet or .npz; a folder of images can be packed with any zip tool.",
    ),
    "broken-archive": (
        "The archive is broken",
        "It is cut short or damaged: test it where it was made (unzip -t, tar -t), then send it again.",
    ),
    "archive-beyond-limits": (
        "The archive is beyond the limits",
        "It unpacks to far more than it holds, or its entries overlap. Pack the images plainly.",
    ),
    "no-images": (
        "The archive holds no images",
        "Nothing in it is an image that decodes; the detail counts what was rejected. "
        "Image files need their usual endings (.jpg, .png, …).",
    ),
    "broken-image": (
        "The image cannot be decoded",
        "It is cut short, or of a kind that is not read here; save it anew as PNG or JPEG.",
    ),
    "bad-arrays": (
        "The arrays are not a dataset",
        "An .npz holds `images` (N x H x W [x C], uint8 or uint16) or `embeddings` (N x D, floats), "
        "and `labels` (N) if there are any.",
    ),
    "unknown-column": (
        "There is no such column",
        "The detail lists the columns, JSON fields or arrays that are there: name one of them, "
        "or leave label_by out.",
    ),
    "bad-column": (
        "A column cannot be used",
        "Classes and groups are integers or texts, embeddings lists of floats of one length: "
        "name another column, or write this one anew.",
    ),
    "multi-label": (
        "Images with several labels are not supported",
        "Each image has one class here. Keep one label an image and send the dataset again, "
        "or send it without labels, as a pool.",
    ),
    "mixed-shards": (
        "The files of a dataset are of several kinds",
        "Send only tars, or only parquet files, and of these only such with images or with embeddings.",
    ),
    "mixed-channels": (
        "The images have different numbers of channels",
        "Grey and RGB may be mixed; other bands must be the same in all images. "
        "Send those of another number as a dataset of their own, or give all the same bands.",
    ),
    "dicom-not-installed": (
        "DICOM cannot be read here",
        "Install the extra where the workers (and, for thumbnails, the API) run: pip install 'g2l[dicom]'.",
    ),
    "embeddings-not-finite": (
        "The embeddings are not finite",
        "Remove the rows that hold NaN or infinity; the detail says where the first one is.",
    ),
    "channel-mismatch": (
        "The number of channels does not fit",
        "One channel and three are turned into each other; any other mismatch needs other images or model.",
    ),
    "no-groups": (
        "Nothing in the archive has such a group",
        '`group_by` is "folder" (images in CLASS/GROUP/), or the name of a column of a parquet, a field of a '
        "WebDataset's JSON, or an array of an npz; the detail says what is there.",
    ),
    "dataset-mismatch": (
        "The new items do not fit the dataset",
        "What `extends` a dataset has its kind, channels (or dimensions) and bits: convert the items, or "
        "take them in as a dataset of their own.",
    ),
    "nothing-new": (
        "The dataset has all of these items already",
        "Items are told apart by the SHA-256 of their bytes; send an archive with others in it.",
    ),
    "unlabelled-dataset": (
        "The dataset has no labels",
        "Give a dataset with a folder per class, or `labels` in its .npz.",
    ),
    "class-too-small": (
        "A class has too few images",
        "Each class of a target needs images to train on and to test on: add some, or leave the class out.",
    ),
    "empty-split": (
        "The dataset has no images to train on",
        "All its images are in test/: put those to train on in train/, or use no splits.",
    ),
    "wrong-dataset-kind": (
        "The dataset is of the wrong kind",
        "Embeddings have no pixels and images no vectors: give a dataset of the other kind.",
    ),
    "bad-responses": (
        "The responses are not usable",
        "Response vectors have the wrong shape or kind: take the embedder and metric of the anchor set.",
    ),
    "non-finite-responses": (
        "The responses hold NaN or infinity",
        "The embedder gave no finite number for some image: take another embedder.",
    ),
    "degenerate-responses": (
        "All responses are identical",
        "To this embedder all images are one point, so no distance tells them apart: "
        "give other images, or another embedder.",
    ),
    "unknown-metric": ("Unknown metric", "The detail lists the metrics that there are."),
    "bad-geometry": ("The geometry is not usable", "The detail says which length, preference or distance."),
    "bad-anchors": (
        "The anchors are not usable",
        "Each anchor needs images and a name; the detail says which.",
    ),
    "duplicate-anchors": (
        "Two anchors are the same",
        "Their images have the same mean response; give them other images, or leave one out.",
    ),
    "too-few-distinct-images": (
        "Too few distinct images",
        "More anchors or classes are wanted than there are different images: ask for fewer.",
    ),
    "bad-neighbours": ("The neighbours cannot be found", "The detail says how many there can be."),
    "bad-labeling": ("The labeling is not possible", "The detail names the option and its bounds."),
    "too-few-classes": (
        "Too few classes allowed",
        "Back-off never goes below the first name, so allow at least as many classes as first names occur.",
    ),
    "not-fitted": ("The labeler is not fitted", "Fit it before it predicts."),
    "not-images": ("The array holds no images", "Images are N x H x W x C, 8 or 16 bits a channel."),
    "not-embeddable": (
        "The embedder does not take this data",
        "`identity` takes datasets of embeddings of its own dimension; every other embedder takes images.",
    ),
    "not-an-embedder": (
        "This is no embedder",
        "Its files are of another version or damaged: fit it again by making the anchor set anew.",
    ),
    "not-an-onnx-file": (
        "This is no ONNX network",
        "Export the network with torch.onnx.export or a like tool, and send the .onnx file whole.",
    ),
    "unsuitable-network": (
        "The network cannot embed images",
        "An ONNX network needs one float32 input of images with a fixed number of channels, and one output: "
        "a vector, a map or tokens. Its weights are inside the file (torch.onnx.export(…, "
        "external_data=False)), its operators standard ones, and an image has the same response in every "
        "run; the detail says what is amiss.",
    ),
    "bad-targets": (
        "The training targets cannot be used",
        "Make the labeling anew, or take other targets or heads.",
    ),
    "training-diverged": (
        "The training diverged",
        "The loss is no finite number any more: lower learning_rate, or raise batch_size.",
    ),
    "checkpoint-mismatch": (
        "The checkpoint belongs to another training",
        "Submit the job anew instead of retrying it.",
    ),
    "not-a-model-folder": (
        "This is no model in the Hugging Face layout",
        "Send a zip or tar with config.json and model.safetensors, as `save_pretrained` writes them.",
    ),
    "pickled-weights": (
        "Pickled weights are refused",
        "Loading them can run code. Save the model with `save_pretrained(folder, safe_serialization=True)`.",
    ),
    "remote-code": (
        "Models that bring their own code are refused",
        "Send a model of an architecture that transformers itself has.",
    ),
    "unsupported-model": (
        "The model's architecture is not supported",
        "The detail lists the image models that can be imported.",
    ),
    "foreign-weights": (
        "The weights do not belong to this architecture",
        "config.json and model.safetensors are of different models, or parts are missing.",
    ),
    "no-classifier-head": (
        "The model has no classifier to train",
        "Import an image classification model, or a backbone whose features are pooled.",
    ),
    "unknown-architecture": ("No such architecture", "The detail lists the architectures that there are."),
    "architecture-too-deep": (
        "The architecture is too deep for images of this size",
        "Raise image_size, or take an architecture with a smaller stride.",
    ),
    "too-few-images": ("Too few images to train on", "Give a dataset of more images."),
    "bad-target": (
        "The target cannot be used for a transfer",
        "A target needs two or more labelled classes, each with images to train on and to test on.",
    ),
    "size-not-taken": (
        "The model does not take images of this size",
        "Its weights know places, as a ViT's do: leave image_size out, or train a convolutional network.",
    ),
    "single-image-class": (
        "A class has a single image",
        "It cannot be both learned and tested: add images, or leave the class out.",
    ),
    "bad-labels": ("The labels are not usable", "Each image needs one label, of two or more classes."),
    "unreadable-transfers": (
        "A file of past transfers cannot be read",
        "The service's operator named it in G2L_PAST_TRANSFERS: give a study's transfers.parquet, or none.",
    ),
    "bad-probabilities": (
        "The class probabilities are not usable",
        "The source's classifier gave no probabilities for some image: take another source.",
    ),
}
