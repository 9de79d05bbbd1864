# The scripts are clean for shellcheck. tests/.shellcheckrc says what the tests do on purpose; elsewhere the lines say it themselves.
source=$2
command -v shellcheck >/dev/null || { echo "skipped: no shellcheck here"; exit 77; }
cd "$source" || exit 1
# scripts end in .sh, or begin with #! and a shell, or are sourced by others
find .ci docs jobs packaging slurm tests -type f ! -path 'tests/golden/*' ! -path 'tests/fuzz/corpus*' -size -200k >"$OLDPWD/files"
scripts=$(grep -v '\.sh$' "$OLDPWD/files" | xargs grep -lE -m 1 '^#!.*[ /]((ba|da)?sh)$'; grep '\.sh$' "$OLDPWD/files"; echo jobs/packages tests/mpi_settings tests/bench/picture_sets)
n=$(echo "$scripts" | wc -w)
[ "$n" -ge 80 ] || { echo "only $n scripts seen"; exit 1; }
shellcheck --shell bash --external-sources --source-path SCRIPTDIR/.. --format gcc $scripts
