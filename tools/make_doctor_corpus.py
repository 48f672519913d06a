"""
Write tests/exchange/doctor/corpus/: broken inputs, one cause each, for `keyferry doctor`.

Run `python tools/make_doctor_corpus.py`. The causes are stated by the makers, never asked of the
program. Certificates and envelopes are random, so every run writes other bytes of the same kind.
"""

from __future__ import annotations

import json
from pathlib import Path

from doctor_corpus import answers, chains, configurations, key_blocks, tokens

CORPUS = Path(__file__).parent.parent / "tests" / "exchange" / "doctor" / "corpus"


def main() -> None:
    for name, maker, tables in (
        ("key_blocks", key_blocks, {}),
        ("tokens", tokens, tokens.PARTIES.tables()),
        ("chains", chains, chains.tables()),
        ("answers", answers, {}),
        ("configurations", configurations, {}),
    ):
        cases = maker.cases()
        document = {"about": maker.ABOUT, **tables, "cases": cases}
        (CORPUS / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n")
        print(f"{name}: {sum(bool(case['cause']) for case in cases)} broken of {len(cases)}")


if __name__ == "__main__":
    main()
