"""What a payment key is: usage, class, algorithm, modes of use, and the rules between them."""

from keyferry.keys.algorithms import KeyAlgorithm
from keyferry.keys.attributes import KeyAttributes, check_attributes
from keyferry.keys.check_values import CheckValueMethod, check_value_method, key_check_value
from keyferry.keys.headers import attributes_from_header, header_from_attributes
from keyferry.keys.material import check_material, generate_material
from keyferry.keys.modes import ModesOfUse
from keyferry.keys.strength import WrappingMethod, check_strength
from keyferry.keys.usages import KeyClass, KeyUsage

__all__ = [
    "CheckValueMethod",
    "KeyAlgorithm",
    "KeyAttributes",
    "KeyClass",
    "KeyUsage",
    "ModesOfUse",
    "WrappingMethod",
    "attributes_from_header",
    "check_attributes",
    "check_material",
    "check_strength",
    "check_value_method",
    "generate_material",
    "header_from_attributes",
    "key_check_value",
]
