// A row of the table `job` as a Job.
#pragma once

#include "common/jobs/jobs.h"
#include "common/pg/value.h"

namespace edcert::jobs {

Job JobOf(const pg::Row& row);

}  // namespace edcert::jobs
