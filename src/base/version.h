/* The version of this module: of the release that CHANGES ends with, or of the one that is being
 * made. debian/changelog and the other packages say the same (t/packages.t). */
#ifndef ADP_VERSION_H
#define ADP_VERSION_H

#ifndef ADP_VERSION
#define ADP_VERSION "0.9.0"
#endif

#endif
