# The op tests on 64-bit ARM, emulated. $TENFOLD_ARM keeps the folder of packages and build.
set -eu
"$2/tests/arm/run"
