# The real cuDNN makes and compiles the plans of all nets at their own sizes, and of three at 512 px, for three kinds of GPU, in fp32 and bf16:
# tests/gpu/plan.c.
set -eu
nets=$(for i in 0 1 2 3 4 5 6 7; do echo "efficientnet-b$i"; done && for i in 0 1 2 3 4; do echo "efficientnet-lite$i"; done)
for sm in 800 900 1000; do
    # shellcheck disable=SC2086
    TN_EMU_SM=$sm "$TN_GPU_PLAN" $nets efficientnet-b0:512 efficientnet-b3:512 efficientnet-lite0:512
done >table
cat table
test "$(grep -c '^| efficientnet-' table)" = 96
