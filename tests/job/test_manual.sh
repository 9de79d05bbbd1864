# The manual page and the completion for bash say what --help says; groff and bash have nothing to complain of.
tenfold=$1 source=$2
set -eu
"$TN_MANUAL" man tenfold.1 0.1.0
"$TN_MANUAL" bash completion
verbs=$("$tenfold" --help | awk '/^  [a-z]+ / && $1 != "tenfold" { print $1 }')
test "$(wc -w <<<"$verbs")" -ge 12

if command -v groff >/dev/null; then
    groff -man -ww -Tascii -P -c -rLL=100n tenfold.1 2>warnings | sed 's/.\x08//g' >page # -P -c: bold by overstriking
    test ! -s warnings || { cat warnings; exit 1; }
    for verb in $verbs; do
        grep -qx "   $verb" page || { echo "no section for $verb"; exit 1; }
        for option in $("$tenfold" "$verb" --help | sed '1,/^options:/d' | awk '{ print $1 }'); do
            awk -v verb="   $verb" '/^   [a-z]+$/ { here = $0 == verb } here' page | grep -q "^ *$option\b" || { echo "$verb: no $option"; exit 1; }
        done
    done
    # the exit codes are those of the table in docs/commands.md
    sed -n 's/^| \([0-9][0-9]*\) | \(.*\) |$/\1 \2/p' "$source/docs/commands.md" >wanted
    sed -n '/^EXIT STATUS/,/^SEE ALSO/p' page | grep '^ *[0-9]' | sed 's/^ *\([0-9]*\) */\1 /' | diff wanted - || exit 1
fi

complete_line() { # WORDS...: what is offered for the last one
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
    _tenfold 2>complaints
    test ! -s complaints || cat complaints
    echo "${COMPREPLY[*]}"
}
offers() { # WANTED WORDS...
    local wanted=$1 got
    shift
    got=$(complete_line "$@")
    [ "$got" = "$wanted" ] || { echo "for \"$*\": \"$got\", wanted \"$wanted\""; exit 1; }
}
# shellcheck source=/dev/null
. ./completion
mkdir -p files/inner && touch files/job.cfg
offers "train" tenfold tr
offers "preprocess probe predict" tenfold p
offers "--folds" tenfold train --fo
offers "" tenfold report --fo
test "$(complete_line tenfold run files/ | tr ' ' '\n' | sort | tr '\n' ' ')" = "files/inner files/job.cfg "
offers "files/inner" tenfold run job.cfg --run files/
offers "" tenfold run job.cfg --ranks ""
offers "import" tenfold weights im
offers "files/job.cfg" tenfold weights digest files/j
for verb in $verbs; do
    offers "$("$tenfold" "$verb" --help | sed '1,/^options:/d' | awk '{ printf "%s%s", sep, $1; sep = " " }')" tenfold "$verb" --
    case " $(complete_line tenfold "") " in *" $verb "*) ;; *) echo "$verb is not offered" && exit 1 ;; esac
done
