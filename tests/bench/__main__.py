"""Run the benchmark modules of this package and print one table."""

import importlib
import pkgutil
import sys

import tests.bench


def main(names: list[str]) -> int:
    """Run ``names``, all modules without any; return the exit code."""
    known = [module.name for module in pkgutil.iter_modules(tests.bench.__path__)]
    known.remove("__main__")
    unknown = sorted(set(names) - set(known))
    if unknown:
        sys.stderr.write(f"no benchmark {', '.join(unknown)}; there are: {', '.join(known)}\n")
        return 2
    cells = [("name", "figure", "value", "peer or goal")]
    for name in names or known:
        sys.stderr.write(f"{name} …\n")
        cells += [
            (row.name, row.figure, f"{row.value:.4g} {row.unit}", row.peer)
            for row in importlib.import_module(f"tests.bench.{name}").run()
        ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for cell in cells:
        line = "  ".join(text.ljust(width) for text, width in zip(cell, widths, strict=True))
        sys.stdout.write(line.rstrip() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
