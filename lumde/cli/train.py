"""Train a network: any method of `lumde list methods`, from a config file.

CONFIG is a YAML file, or the name of one that comes with the package. Every key can be overridden on
the command line as key.path=value. RUN receives config, logs, checkpoints and the finished model.
"""

import argparse
import json
from pathlib import Path

EXAMPLE = "lumde train configs/photometric.yaml data.root=DATA loop.minutes=30 --out runs/teacher"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options (contract: frozen)."""
    parser.add_argument("config", metavar="CONFIG", help="YAML file or name of a packaged config")
    parser.add_argument("overrides", nargs="*", metavar="key.path=value", help="config values to override")
    parser.add_argument(
        "--out", type=Path, metavar="RUN", help="run folder (default: runs/<name of the config>)"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the newest checkpoint in RUN")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the result as JSON")


def run(args: argparse.Namespace) -> None:
    """Train and print the result."""
    from lumde.engine.run import train
    from lumde.engine.run_config import load_config
    from lumde.files import write_json
    from lumde.packaged import own_or_package_file

    path = own_or_package_file("configs", args.config, ".yaml")
    out = args.out or Path("runs") / path.stem
    result = train(load_config(path, args.overrides), out, args.resume)
    if args.json:
        write_json(args.json, result)
    print(json.dumps(result, indent=1))
    print(f"model: {out / 'model'}")
