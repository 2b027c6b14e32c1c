"""How many images trainings go over: what recipes and estimates of time share. No arithmetic on pixels."""

import math

FEWEST_STEPS = 120  # what fine-tuning on 5 to 20 images a class took in the screening
SMALLEST_BATCH = 8  # of a budget of fewer images still
LEARNING_RATES = (5e-4, 1.5e-3, 4.5e-3)  # half a decade below and above what mostly wins
FOLDS = 2
MOST_CHOOSING_IMAGES = 500  # of a larger budget, a stratified part chooses the rate


def enough_steps(n_images: int, *, epochs: int, batch_size: int) -> tuple[int, int]:
    """Batch size and repeats an epoch with which a training takes about `FEWEST_STEPS` steps at least.

    Batches are no larger than the budget, or a large batch would ask for as many repeats.

    Args:
        n_images: that an epoch goes over.
        epochs: of the recipe.
        batch_size: of the recipe.

    Returns:
        images a step, and how often each epoch goes over the images.
    """
    batch_size = min(batch_size, max(SMALLEST_BATCH, n_images))
    return batch_size, max(1, math.ceil(FEWEST_STEPS * batch_size / (epochs * n_images)))


def fine_tuning(n_images: int, *, epochs: int, batch_size: int, chooses_rate: bool) -> int:
    """Images that a fine-tuning goes over, the trials that choose its learning rate among them.

    Args:
        n_images: labelled ones of the budget.
        epochs: of the recipe.
        batch_size: of the recipe.
        chooses_rate: whether no learning rate is given.
    """

    def training(count: int) -> int:
        return epochs * enough_steps(count, epochs=epochs, batch_size=batch_size)[1] * count

    if not chooses_rate:
        return training(n_images)
    chosen = min(n_images, MOST_CHOOSING_IMAGES)
    trial = training(max(1, chosen - chosen // FOLDS))
    return training(n_images) + len(LEARNING_RATES) * FOLDS * trial
