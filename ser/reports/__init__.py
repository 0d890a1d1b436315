"""Pages, figures and tables."""

import sys
from types import ModuleType

# TensorBoard imports TensorFlow where it is installed, for seconds, and nothing here needs it. A module of this name
# prevents that (tensorboard/compat/__init__.py).
sys.modules.setdefault("tensorboard.compat.notf", ModuleType("tensorboard.compat.notf"))
