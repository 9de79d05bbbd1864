/* driver.c - stands in for the driver, libcuda.so.1, while cuDNN compiles plans: two functions succeed; there is no device. */
#define ABSENT(name)                                                                                                   \
    int name(void);                                                                                                    \
    int name(void) {                                                                                                   \
        return 34;                                                                                                     \
    } /* CUDA_ERROR_STUB_LIBRARY */

int cuInit(unsigned flags);
int cuInit(unsigned flags) {
    (void)flags;
    return 100; /* CUDA_ERROR_NO_DEVICE */
}
int cuDriverGetVersion(int *version);
int cuDriverGetVersion(int *version) {
    *version = 13000;
    return 0;
}
int cuDeviceGetCount(int *n);
int cuDeviceGetCount(int *n) {
    *n = 0;
    return 100;
}
int cuLibraryLoadData(void **library);
int cuLibraryLoadData(void **library) {
    *library = (void *)0x1000;
    return 0;
}
int cuLibraryGetKernel(void **kernel);
int cuLibraryGetKernel(void **kernel) {
    *kernel = (void *)0x2000;
    return 0;
}
int cuLibraryUnload(void *library);
int cuLibraryUnload(void *library) {
    (void)library;
    return 0;
}
ABSENT(cuCtxGetCurrent)
ABSENT(cuCtxGetLimit)
ABSENT(cuCtxPopCurrent)
ABSENT(cuCtxPushCurrent)
ABSENT(cuDeviceGet)
ABSENT(cuGetErrorName)
ABSENT(cuGetErrorString)
ABSENT(cuKernelGetAttribute)
ABSENT(cuKernelSetAttribute)
ABSENT(cuLaunchCooperativeKernel)
ABSENT(cuLaunchKernel)
ABSENT(cuLaunchKernelEx)
ABSENT(cuLibraryLoadFromFile)
ABSENT(cuLinkAddData)
ABSENT(cuLinkComplete)
ABSENT(cuLinkCreate)
ABSENT(cuLinkDestroy)
ABSENT(cuOccupancyMaxPotentialClusterSize)
ABSENT(cuStreamGetCtx)
