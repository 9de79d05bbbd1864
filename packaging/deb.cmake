# A Debian package of what `cmake --install` installs: cpack --config build/release/CPackConfig.cmake -B build
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT "the tenfold maintainers <maintainers@tenfold.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "image classification from noisy labels, on HPC clusters")
set(CPACK_PACKAGE_DESCRIPTION "Turns a folder of images and a table with labels that cannot be trusted
into one ensemble prediction and a list of the labels that are probably
wrong, on one machine or under Slurm.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON) # by dpkg-shlibdeps: the libraries of the Debian on which it is built
set(CPACK_DEBIAN_PACKAGE_DEPENDS openmpi-bin)
set(CPACK_DEBIAN_PACKAGE_SUGGESTS slurm-client)
set(CPACK_STRIP_FILES ON)
include(CPack)
