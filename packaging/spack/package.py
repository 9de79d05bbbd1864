# Spack recipe, for a repository of your own:
#   spack repo create mine && mkdir -p mine/packages/tenfold && cp package.py mine/packages/tenfold && spack repo add mine
#   spack install tenfold
from spack.package import *


class Tenfold(CMakePackage):
    """Image classification from noisy labels on HPC clusters: ten folds of EfficientNet with category metadata, trained
    by MPI ranks, filtered by SELF, reduced to one ensemble prediction."""

    git = "file:///path/to/your/clone/of/tenfold"
    homepage = git

    license("Apache-2.0")

    version("main", branch="main")

    depends_on("c", type="build")
    depends_on("cmake@3.25:", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("mpi")
    depends_on("hdf5@1.10.8:")
    depends_on("libconfig@1.7:")
    depends_on("libvips@8.14: +jpeg+png+tiff")
    depends_on("glib@2.74:")
    depends_on("libjpeg-turbo@2.1:")
    depends_on("libwebp")
    depends_on("random123")
    depends_on("gsl")
    depends_on("jansson")
    depends_on("xxhash@0.8:")
    depends_on("libzip@1.5:")
    depends_on("cmocka", type="test")

    def cmake_args(self):
        return [self.define("BUILD_TESTING", self.run_tests)]
