"""Whether this zoo is the one that a plugin's package was made for."""

from __future__ import annotations

import re

from ..errors import PluginError
from .plugin import DISTRIBUTION, Plugin

# ">=1.2" and nothing else, which is what nearly all say: no need to import packaging, which takes as long as the rest
_AT_LEAST = re.compile(r">=\s*(\d+(?:\.\d+)*)")


def check_version(requires: str, plugin: Plugin) -> None:
    """Hold this zoo's version against ``requires``, the versions that the plugin's package asks for.

    Raises:
        PluginError: it is none of them.
    """
    from .. import __version__

    simple = _AT_LEAST.fullmatch(requires)
    if simple and re.fullmatch(r"\d+(\.\d+)*", __version__):
        if _release(__version__) >= _release(simple[1]):
            return
    else:
        from packaging.specifiers import InvalidSpecifier, SpecifierSet

        try:
            if SpecifierSet(requires).contains(__version__, prereleases=True):
                return
        except InvalidSpecifier as error:
            raise PluginError(f"asks for {DISTRIBUTION} {requires!r}, which is no version specifier.") from error
    raise PluginError(
        f"needs {DISTRIBUTION} {requires}, and this is {__version__}. "
        f"`pip install --upgrade {DISTRIBUTION} {plugin.distribution}` may help."
    )


def _release(version: str) -> tuple[int, ...]:
    parts = [int(part) for part in version.split(".")]
    while parts and not parts[-1]:
        parts.pop()
    return tuple(parts)
