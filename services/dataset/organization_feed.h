// Follows event_registry's feed: which schools are whose, and what is known of them.
#pragma once

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "common/access/registry_access.h"
#include "common/feed/feed.h"
#include "common/ids/ids.h"
#include "common/pg/pg.h"
#include "services/dataset/dataset.h"

namespace edcert::dataset {

// Takes over one change: a district or a school becomes a record of `dataset`, that of the
// organizations. A school that records waited for sets off the sync of those datasets when
// `automatic_sync` says so.
absl::Status ApplyRegistryChange(pg::Transaction& tx, const Dataset& dataset,
                                 const type::Change& change, const ids::IdSource& ids,
                                 bool automatic_sync);

// Reads the feed while it lives, from its beginning the first time.
std::unique_ptr<feed::Consumer> FollowRegistry(rpc::Runtime& runtime,
                                               access::RegistryAccess& registry,
                                               const Catalogue& catalogue, bool automatic_sync);

}  // namespace edcert::dataset
