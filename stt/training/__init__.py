r"""Training: the LightningModule, the data module, their callbacks, and logging to W\&B."""
