"""The public sources of Atalla's command layouts, and how sure each kind is."""

from __future__ import annotations

from typing import Final

from keyferry.hsm.commands import Evidence

SAMPLES: Final = "AWS samples (Atalla)"
ELEMENTS: Final = "futehkao/elements"
AT1000_CLIENT: Final = "com.fluidbpm AT1000 client"
AKB_WRAPPER: Final = "com.nrttech.atalla"
DIRECTORY: Final = "EFTlab command directory"

CLIENT: Final = (Evidence.CLIENT,)
SIMULATED: Final = (Evidence.CAPTURE, Evidence.CLIENT, Evidence.SIMULATOR)
COMPUTED: Final = (Evidence.VECTOR, Evidence.SIMULATOR)
CITED: Final = (Evidence.PARSER,)
GUESSED: Final = (Evidence.INFERRED,)
