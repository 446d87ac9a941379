// Who calls: tokens in, principals out. Only verification and the service's own identity; what a
// principal may do is decided by `common/access`.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/clock/clock.h"
#include "common/config/server.pb.h"

namespace edcert::auth {

// A verified caller.
struct Principal {
  std::string user;     // `users/...`; empty when a service acts by itself
  std::string service;  // `services/...` that shows its own identity; empty for a direct caller

  // Who is answerable: the user, else the service.
  const std::string& name() const { return user.empty() ? service : user; }
};

// Public keys by kid, read from a JWK set (RFC 7517) of EC P-256 keys.
class KeySet {
 public:
  static absl::StatusOr<KeySet> Load(const std::string& path);
  // PEM of the key; null when the kid is unknown.
  const std::string* Find(const std::string& kid) const;

 private:
  std::map<std::string, std::string> pem_by_kid_;
};

// Verifies tokens: ES256 only, kid in the pinned set, issuer, audience, expiry with a leeway of
// 30 s, at most 8 KiB. A verified token is remembered for at most 60 s. Thread-safe.
class Verifier {
 public:
  static absl::StatusOr<std::unique_ptr<Verifier>> Make(const config::Auth& config,
                                                        const clock::Clock& clock);

  // The user of an `authorization` header value ("Bearer <token>"). UNAUTHENTICATED otherwise.
  absl::StatusOr<std::string> VerifyUser(std::string_view header);
  // The service of an `x-service-authorization` header value; its kid must be its own name.
  absl::StatusOr<std::string> VerifyService(std::string_view header);

 private:
  struct Remembered {
    std::string subject;
    absl::Time until;
  };
  Verifier(const config::Auth& config, KeySet users, KeySet services, const clock::Clock& clock)
      : config_(config), users_(std::move(users)), services_(std::move(services)), clock_(clock) {}
  absl::StatusOr<std::string> Verify(std::string_view header, const KeySet& keys, bool service);
  absl::StatusOr<Remembered> Decode(const std::string& token, const KeySet& keys,
                                    bool service) const;

  const config::Auth config_;
  const KeySet users_;
  const KeySet services_;
  const clock::Clock& clock_;
  absl::Mutex mutex_;
  std::unordered_map<std::string, Remembered> remembered_ ABSL_GUARDED_BY(mutex_);
};

// What a token says when it is made.
struct Claims {
  std::string subject;
  std::string issuer;
  std::string audience;
  std::string kid;
  absl::Duration lifetime = absl::Minutes(10);
};

// Signs a token with an ES256 private key in PEM. Used by services for their own identity and by
// the developer's command line.
absl::StatusOr<std::string> SignToken(const Claims& claims, const std::string& private_key_pem,
                                      absl::Time now);

// This service's own token, renewed before it expires. Thread-safe.
class OwnToken {
 public:
  static absl::StatusOr<std::unique_ptr<OwnToken>> Make(const config::Auth& config,
                                                        const clock::Clock& clock);
  // The value of `x-service-authorization`.
  absl::StatusOr<std::string> Header();

 private:
  OwnToken(const config::Auth& config, std::string key, const clock::Clock& clock)
      : config_(config), key_(std::move(key)), clock_(clock) {}

  const config::Auth config_;
  const std::string key_;
  const clock::Clock& clock_;
  absl::Mutex mutex_;
  std::string header_ ABSL_GUARDED_BY(mutex_);
  absl::Time renew_at_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

}  // namespace edcert::auth
