// Domain values to messages. Pure: what depends on the day gets it as an argument.
#pragma once

#include "absl/time/time.h"
#include "edcert/registry/v1/event_registry.pb.h"
#include "services/event_registry/access_store.h"
#include "services/event_registry/category.h"
#include "services/event_registry/event.h"
#include "services/event_registry/member.h"
#include "services/event_registry/organization.h"
#include "services/event_registry/state_calendar.h"
#include "services/event_registry/user.h"

namespace edcert::event_registry {

registry::v1::Organization ToProto(const Organization& organization);
registry::v1::User ToProto(const User& user);
registry::v1::Category ToProto(const Category& category);
registry::v1::Member ToProto(const Member& member);

// The phase and the instants of an event follow from the calendar and the present.
registry::v1::Event ToProto(const Event& event, const StateCalendar& calendar, absl::Time now);
registry::v1::ResolveAccessResponse ToProto(const Resolution& resolution,
                                            const StateCalendar& calendar, absl::Time now);

}  // namespace edcert::event_registry
