"""The building blocks of the ``zoo`` command, for the built-in commands and the commands of plugins.

Authors of commands import from here and from ``zoo``; the modules below are not public.

*Commands.* :class:`ZooCommand` is a click command with ``-h``, ``--help`` and ``--debug``, :class:`PluginCommands` the
group that ``register_commands(cli)`` gets, :class:`ZooGroup` the ``zoo`` group itself, and :func:`run_command` runs it;
:func:`run_process` also takes over the signals and the standard streams of the process.

*Options.* ``json_option``, ``data_dir_option``, ``runs_dir_option``, ``target_option`` and ``data_settings_option``
are decorators; :data:`COUNT` is the type of a count such as ``20k``, :data:`SIZE`, :data:`TIME` and :data:`LATENCY`
those of ``20kB``, ``10m`` and ``50us``,
:data:`SETTING` that of ``NAME=VALUE``; :func:`whole_number` and :func:`number` make the type of a number in a range;
:func:`plugin_options` adds the options of the ``zoo`` group.

*Inside a command.* :func:`registry_of` gives the registry, :func:`arguments_of` the arguments of this invocation,
:func:`load_everything` imports everything that plugins declare, :func:`paused_garbage_collection` saves time where
thousands of records are read, :func:`was_given` says whether an
option was on the command line.

*Settings.* :func:`training_settings`, :func:`epochs_given`, :func:`dataset_settings` and :func:`data_settings` parse
``--set``, ``--data-option`` and their like; :func:`shared_settings` and :func:`search_space` those of a search;
:func:`refuse_beside_resume` and :func:`check_resumed_name` check what stands beside ``--resume``,
:func:`check_dataset_name` the name of a dataset.

*Output.* :func:`show` prints lines of a result, :func:`print_json` a result as JSON, :func:`table` lays out rows;
:func:`duration`, :func:`time_text` and :func:`size_text` format numbers, :func:`main_metric` and
:func:`is_better` compare metrics, :func:`is_known_metric` whether a plugin is needed to show one,
:func:`printable` makes a name safe for a terminal. :class:`TrainingDisplay` and :class:`CountDisplay` show progress
on standard error, :class:`TuningDisplay` that of a search, :func:`study_lines` its end. The modules :mod:`views`,
:mod:`export_views`, :mod:`plugin_views` and :mod:`tables` turn results of the library into text as the built-in
commands print it.

*Completion.* :func:`complete_architecture`, :func:`complete_dataset`, :func:`complete_declared`,
:func:`complete_input`, :func:`complete_plugin`, :func:`complete_task` and :func:`complete_trained` are for
``shell_complete=``; :data:`ENVIRONMENT` is the variable that a shell sets to ask.
"""

from ..evaluation import tables as tables
from ..formatting import duration as duration
from ..formatting import is_better as is_better
from ..formatting import is_known_metric as is_known_metric
from ..formatting import main_metric as main_metric
from ..formatting import printable as printable
from ..formatting import size_text as size_text
from ..formatting import table as table
from ..formatting import time_text as time_text
from ..process import paused_garbage_collection as paused_garbage_collection
from ..registry.plugin_commands import PluginCommands as PluginCommands
from ..registry.plugin_commands import ZooCommand as ZooCommand
from . import export_views as export_views
from . import plugin_views as plugin_views
from . import terminal as terminal
from . import views as views
from .completion import ENVIRONMENT as ENVIRONMENT
from .completion import complete_architecture as complete_architecture
from .completion import complete_dataset as complete_dataset
from .completion import complete_declared as complete_declared
from .completion import complete_input as complete_input
from .completion import complete_plugin as complete_plugin
from .completion import complete_task as complete_task
from .completion import complete_trained as complete_trained
from .group import ZooGroup as ZooGroup
from .group import arguments_of as arguments_of
from .group import load_everything as load_everything
from .group import registry_of as registry_of
from .options import COUNT as COUNT
from .options import DRAWING as DRAWING
from .options import LATENCY as LATENCY
from .options import PICTURE as PICTURE
from .options import SETTING as SETTING
from .options import SIZE as SIZE
from .options import TIME as TIME
from .options import data_dir_option as data_dir_option
from .options import data_settings_option as data_settings_option
from .options import json_option as json_option
from .options import number as number
from .options import plugin_options as plugin_options
from .options import runs_dir_option as runs_dir_option
from .options import target_option as target_option
from .options import whole_number as whole_number
from .runner import print_json as print_json
from .runner import run_command as run_command
from .runner import run_process as run_process
from .settings import check_dataset_name as check_dataset_name
from .settings import check_resumed_name as check_resumed_name
from .settings import data_settings as data_settings
from .settings import dataset_settings as dataset_settings
from .settings import epochs_given as epochs_given
from .settings import refuse_beside_resume as refuse_beside_resume
from .settings import search_space as search_space
from .settings import shared_settings as shared_settings
from .settings import training_settings as training_settings
from .settings import was_given as was_given
from .terminal import CountDisplay as CountDisplay
from .terminal import TrainingDisplay as TrainingDisplay
from .terminal import show as show
from .tuning_display import TuningDisplay as TuningDisplay
from .tuning_display import study_lines as study_lines
