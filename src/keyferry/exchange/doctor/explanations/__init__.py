"""What the codes of HSMs and the exceptions of the API mean, why they come, what helps."""

from keyferry.exchange.doctor.explanations.explanation import Explanation
from keyferry.exchange.doctor.explanations.lookup import SYSTEMS, explain

__all__ = ["SYSTEMS", "Explanation", "explain"]
