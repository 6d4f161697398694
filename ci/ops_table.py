"""Write the table of PyTorch's names and where they are computed.

python ci/ops_table.py            renew OPS.md
python ci/ops_table.py --check    fail where it is not what this would write
"""

from __future__ import annotations

import argparse
import difflib
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from cltorch.compat.ops_table import report  # noqa: E402

TARGET = ROOT / "OPS.md"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the table is out of date")
    check = parser.parse_args().check
    have, want = TARGET.read_text(encoding="utf-8") if TARGET.is_file() else "", report()
    if have == want:
        return 0
    if not check:
        TARGET.write_text(want, encoding="utf-8")
        print(f"wrote {TARGET.name}")
        return 0
    lines = difflib.unified_diff(have.splitlines(), want.splitlines(), TARGET.name, "as it should be", lineterm="", n=0)
    print("\n".join([*lines][:40]))
    print("OPS.md is out of date: run `python ci/ops_table.py`")
    return 1


if __name__ == "__main__":
    sys.exit(main())
