"""Train, validate, test and predict: `python train.py fit --config configs/model/tiny.yaml --config ...`."""

from stt.cli.train import main

if __name__ == "__main__":
    main()
