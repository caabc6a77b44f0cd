/* A file of its own, so that only who uses it needs the library. */
#include "orchestrator/base/text.h"
#include "orchestrator/proto/policy_message.h"

#include <xxhash.h>

void policy_digest(const void *bytes, size_t size, char digest[DIGEST_SIZE])
{
    XXH128_hash_t hash = XXH3_128bits(bytes, size);
    text_format(digest, DIGEST_SIZE, "%016llx%016llx", (unsigned long long)hash.high64,
                (unsigned long long)hash.low64);
}
