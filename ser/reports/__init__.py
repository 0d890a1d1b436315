"""Pages, figures and tables."""

import sys
from types import ModuleType

# TensorBoard imports TensorFlow where it is installed, for seconds, and nothing here needs it. A module of this name
# tells it not to (tensorboard/compat/__init__.py).
sys.modules.setdefault("tensorboard.compat.notf", ModuleType("tensorboard.compat.notf"))
