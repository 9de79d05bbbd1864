# occupancy.awk - how many warps of each kernel are resident on a GPU, from what ptxas -v says (through c++filt). Used by slow_kernels.sh.
#
#   awk -f occupancy.awk launches occupancy_floors ptxas.80 ptxas.90 ptxas.100
#
# launches           lines "KERNEL THREADS": the most threads of a block, from the emulation (TN_EMU_LAUNCHES in tests/gpu/kernels.cpp)
# occupancy_floors   the least occupancy of a kernel in percent, where it is not 50, and why
# ptxas.NN           what ptxas said for sm_NN
#
# Prints a table; exit code 1 if a kernel is below its floor or spills, if the emulation has launched no such kernel, or if a line of
# the floors belongs to no kernel or has become needless.
#
# Formula   registers: a warp has 32 x registers, rounded up to 256; each of the 4 quarters of a processor has 16384 registers and whole
#           warps. Shared memory: a block has its own and 1024 bytes, rounded up to 128. At most 64 warps and 32 blocks on a processor.
# Source    CUDA C++ Programming Guide, technical specifications per compute capability; NVIDIA's occupancy calculator
function least(a, b) { return a < b ? a : b }
function up(x, unit) { return int((x + unit - 1) / unit) * unit }
function occupancy(arch, registers, shared, threads,    warps, blocks) {
    warps = up(threads, 32) / 32
    blocks = least(32, int(64 / warps))
    if (registers > 0) blocks = least(blocks, int(int(16384 / up(registers * 32, 256)) * 4 / warps))
    return least(blocks, int(SHARED[arch] / up(shared + 1024, 128))) * warps / 64 * 100
}
function complain(words) { print words > "/dev/stderr"; bad = 1 }
BEGIN { SHARED[80] = 167936; SHARED[90] = SHARED[100] = 233472; FLOOR = 50 }
FILENAME == ARGV[1] { threads[$1] = $2; next }
FILENAME == ARGV[2] {
    if (/^#/ || NF == 0) next
    floor[$1] = $2 + 0
    if (NF < 3) complain(FILENAME ": " $1 ": give a reason")
    next
}
/Compiling entry function/ {
    sub(/^[^\047]*\047(void )?/, ""); sub(/\(anonymous namespace\)::/, ""); gsub(/\(anonymous namespace\)::/, ""); sub(/\(.*/, "")
    name = $0
    arch = FILENAME; sub(/.*\./, "", arch)
    if (!(name in seen)) order[++n] = name
    seen[name] = 1
}
/bytes spill stores/ && !/ 0 bytes spill stores/ { complain(name ", sm_" arch ": registers are kept in memory") }
/Used [0-9]+ registers/ {
    base = name; sub(/<.*/, "", base)
    match($0, /Used [0-9]+/); r = substr($0, RSTART + 5, RLENGTH - 5) + 0
    s = match($0, /[0-9]+ bytes smem/) ? substr($0, RSTART, RLENGTH) + 0 : 0
    if (!(base in threads)) { complain(name ": the emulation has not launched it"); next }
    o = occupancy(arch, r, s, threads[base])
    registers[name, arch] = r; shared[name] = s; of[name, arch] = o
    if (o < (base in floor ? floor[base] : FLOOR)) complain(sprintf("%s, sm_%d: occupancy %.1f %%, below %g %%", name, arch, o, base in floor ? floor[base] : FLOOR))
    if (!(base in lowest) || o < lowest[base]) lowest[base] = o
}
END {
    print "| kernel | threads | shared memory | registers on sm_80, sm_90, sm_100 | occupancy, % |\n| --- | ---: | ---: | --- | --- |"
    for (i = 1; i <= n; i++) {
        name = order[i]; base = name; sub(/<.*/, "", base); r = o = ""
        for (a = 3; a < ARGC; a++) {
            arch = ARGV[a]; sub(/.*\./, "", arch)
            r = r (a > 3 ? ", " : "") registers[name, arch]; o = o (a > 3 ? ", " : "") sprintf("%g", of[name, arch])
        }
        printf "| `%s` | %d | %d | %s | %s |\n", name, threads[base], shared[name], r, o
    }
    for (base in floor)
        if (!(base in lowest)) complain("a floor of " base ", and there is no such kernel")
        else if (lowest[base] >= FLOOR) complain(base " needs no floor of its own: " lowest[base] " %")
        else if (lowest[base] > floor[base]) complain(base ": raise its floor to " lowest[base] " %")
    exit bad || n == 0
}
