/* The status process: the page, the API, the metrics; the only process that listens to people. It
 * holds no key and works on no node: what people ask for is proposed to the quorum process. */
#ifndef STATUS_STATUS_H
#define STATUS_STATUS_H

#include <stdint.h>

int status_main(uint32_t instance, int control_fd);

#endif
