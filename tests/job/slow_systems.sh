# The two commands of the README on Debian 13, in a root folder of their own. SYSTEMS chooses others; $TENFOLD_SYSTEMS keeps the folder.
source=$2
set -eu
export TENFOLD_SYSTEMS=${TENFOLD_SYSTEMS:-${XDG_CACHE_HOME:-$HOME/.cache}/tenfold/systems}
for system in ${SYSTEMS:-debian13}; do "$source/tests/systems" "$system"; done
