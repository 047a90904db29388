"""Configuration of Sphinx.

An offline build is complete; with ``SKDISTILL_DOCS_ONLINE=1`` names of other projects become links.
"""

import os
import sys
from pathlib import Path

from sphinx_gallery.sorting import ExplicitOrder

import skdistill

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "skdistill"
copyright = "the skdistill developers"
version = release = skdistill.__version__

extensions = [
    "live_card",
    "mathml",
    "matplotlib.sphinxext.plot_directive",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
default_role = "literal"
exclude_patterns = ["_build", "_ext", "_templates"]
templates_path = ["_templates"]
root_doc = "index"
nitpicky = True

# -- the API ---------------------------------------------------------------------------------------

toc_object_entries_show_parents = "hide"
autodoc_typehints = "none"  # the docstrings say more
autosummary_generate = True
numpydoc_show_class_members = False  # the template does

# -- links to other projects -----------------------------------------------------------------------

_OTHERS = {
    "python": "https://docs.python.org/3",
    "numpy": "https://numpy.org/doc/stable",
    "sklearn": "https://scikit-learn.org/stable",
}
if os.environ.get("SKDISTILL_DOCS_ONLINE"):
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {name: (address, None) for name, address in _OTHERS.items()}
else:
    nitpick_ignore_regex = [("py:.*", r"(sklearn|numpy|pandas|torch|transformers)\..*")]

# -- the gallery -----------------------------------------------------------------------------------

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    "doc_module": ("skdistill",),
    "backreferences_dir": "generated/backreferences",
    "within_subsection_order": ExplicitOrder(
        [
            "plot_quickstart.py",
            "plot_language_model.py",
            "plot_emotion_article.py",
            "plot_compare.py",
            "plot_explain_and_card.py",
            "plot_student_sizes.py",
            "plot_unlabelled_text.py",
            "plot_out_of_fold.py",
            "plot_cascade.py",
            "plot_serving.py",
            "plot_onnx.py",
            "score_with_dask.py",
        ]
    ),
    "abort_on_example_error": True,
    "remove_config_comments": True,
    "show_memory": False,
    "write_computation_times": False,
    "plot_gallery": os.environ.get("SKDISTILL_DOCS_GALLERY", "1") == "1",
}

# -- pictures of the guide -------------------------------------------------------------------------

plot_include_source = True
plot_formats = [("png", 110)]
plot_html_show_formats = False
plot_html_show_source_link = False

# -- how it looks ----------------------------------------------------------------------------------

html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_title = "skdistill"
html_static_path = ["_static"]
html_css_files = ["skdistill.css"]
html_sidebars = {"index": [], "getting_started": [], "faq": [], "glossary": []}
html_show_sourcelink = False
html_theme_options = {
    "navigation_with_keys": False,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "footer_start": ["copyright"],
    "footer_end": [],
}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
