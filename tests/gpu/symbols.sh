# symbols.sh - sourced by tests of tests/gpu: which functions of CUDA and cuDNN do object files call that the real libraries lack?
#
#   missing_symbols OBJECT...     prints them; exit code 1 if there are any, or if the objects call nothing
missing_symbols() {
    local library folder found=""
    folder=$(dirname "$TN_CUDNN")
    : >known
    for library in "$TN_CUDNN" "$folder/libcudart.so" "$TN_CUDA_INCLUDE/../lib64/libcudart.so"; do
        if [ -e "$library" ]; then
            nm --dynamic --defined-only "$library" | sed -n 's/.* T \([A-Za-z0-9_]*\).*/\1/p' >>known
            found+=$library
        fi
    done
    case $found in *libcudart*) ;; *) echo "libcudart.so is not there" && return 1 ;; esac
    nm --undefined-only "$@" | sed -n 's/^ *U \(\(__\)\{0,1\}\(cuda\|cudnn\)[A-Za-z0-9_]*\)$/\1/p' | sort -u >called
    [ -s called ] || { echo "the objects call nothing of CUDA" && return 1; }
    ! sort -u known | comm -13 - called | grep .
}
