/*
 * hold_h5.c - an HDF5 file that another program has open for writing, as h5py.File(FILE, "r+").
 *
 *   tn_hold_h5 FILE            prints "held"; closes the file when standard input ends
 *   tn_hold_h5 FILE killed     ends without closing it
 */
#include <hdf5.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv) {
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_file_locking(access, 0, 1); /* h5py takes a lock, which the mark in the file does not depend on */
    hid_t file = argc > 1 ? H5Fopen(argv[1], H5F_ACC_RDWR, access) : -1;
    if (file < 0) return 1;
    puts("held");
    fflush(stdout);
    if (argc > 2) _exit(0);
    while (getchar() != EOF) {
    }
    return H5Fclose(file) < 0;
}
