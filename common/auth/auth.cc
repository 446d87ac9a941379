#include "common/auth/auth.h"

#include <jwt.h>
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <set>

#include "absl/strings/escaping.h"
#include "common/config/config.h"
#include "common/ids/ids.h"
#include "common/names/names.h"
#include "common/status/errors.h"
#include "common/status/macros.h"

namespace edcert::auth {
namespace {

constexpr std::size_t kMaxTokenLength = 8192;
constexpr std::size_t kMaxRemembered = 20'000;
constexpr absl::Duration kRemember = absl::Seconds(60);
constexpr absl::Duration kLeeway = absl::Seconds(30);
constexpr std::string_view kBearer = "Bearer ";

using JwtPtr = std::unique_ptr<jwt_t, decltype(&jwt_free)>;

std::string Claim(jwt_t* token, const char* name) {
  const char* value = jwt_get_grant(token, name);
  return value == nullptr ? "" : value;
}

// A JSON object in which no name stands twice: readers disagree about which of two counts (RFC
// 8725). Discarded when the text is anything else.
nlohmann::json ParseObject(std::string_view text) {
  std::vector<std::set<std::string>> names;
  bool repeated = false;
  const auto look = [&](int /*depth*/, nlohmann::json::parse_event_t event, nlohmann::json& value) {
    if (event == nlohmann::json::parse_event_t::object_start) names.emplace_back();
    if (event == nlohmann::json::parse_event_t::object_end) names.pop_back();
    if (event == nlohmann::json::parse_event_t::key) {
      repeated |= !names.back().insert(value.get<std::string>()).second;
    }
    return true;
  };
  nlohmann::json json = nlohmann::json::parse(text, look, /*allow_exceptions=*/false);
  if (repeated || !json.is_object()) return nlohmann::json::value_t::discarded;
  return json;
}

// A text member; empty when it is absent or not a text.
std::string TextOf(const nlohmann::json& object, const char* name) {
  const auto it = object.find(name);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}

// Whether a part of a token, base64url, is an object in which no name stands twice.
bool IsPlainObject(std::string_view part) {
  std::string text;
  return absl::WebSafeBase64Unescape(absl::string_view(part.data(), part.size()), &text) &&
         !ParseObject(text).is_discarded();
}

// A public P-256 key of a JWK as PEM; empty when the JWK is not one.
std::string PemOfJwk(const nlohmann::json& jwk) {
  std::string x;
  std::string y;
  if (TextOf(jwk, "kty") != "EC" || TextOf(jwk, "crv") != "P-256" ||
      !absl::WebSafeBase64Unescape(TextOf(jwk, "x"), &x) ||
      !absl::WebSafeBase64Unescape(TextOf(jwk, "y"), &y) || x.size() != 32 || y.size() != 32) {
    return "";
  }
  const std::string point = '\x04' + x + y;
  const std::unique_ptr<OSSL_PARAM_BLD, decltype(&OSSL_PARAM_BLD_free)> build(OSSL_PARAM_BLD_new(),
                                                                              &OSSL_PARAM_BLD_free);
  OSSL_PARAM_BLD_push_utf8_string(build.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
  OSSL_PARAM_BLD_push_octet_string(build.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                   point.size());
  const std::unique_ptr<OSSL_PARAM, decltype(&OSSL_PARAM_free)> params(
      OSSL_PARAM_BLD_to_param(build.get()), &OSSL_PARAM_free);
  const std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> context(
      EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr), &EVP_PKEY_CTX_free);
  EVP_PKEY* raw = nullptr;
  if (EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &raw, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
    return "";
  }
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(raw, &EVP_PKEY_free);
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), &BIO_free);
  if (PEM_write_bio_PUBKEY(bio.get(), key.get()) != 1) return "";
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

// The kid of a token that is not verified yet: only an index into the pinned keys.
std::string KidOf(const std::string& token) {
  std::string header;
  if (!absl::WebSafeBase64Unescape(token.substr(0, token.find('.')), &header)) return "";
  const nlohmann::json json = ParseObject(header);
  return json.is_discarded() ? "" : TextOf(json, "kid");
}

}  // namespace

absl::StatusOr<KeySet> KeySet::Load(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, config::ReadFile(path));
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("keys") || !json["keys"].is_array()) {
    return status::FieldInvalid(path, "is not a JWK set");
  }
  KeySet set;
  for (const nlohmann::json& jwk : json["keys"]) {
    const std::string pem = jwk.is_object() ? PemOfJwk(jwk) : "";
    const std::string kid = jwk.is_object() ? TextOf(jwk, "kid") : "";
    if (pem.empty() || kid.empty()) {
      return status::FieldInvalid(path, "holds a key that is not EC P-256 with a kid");
    }
    set.pem_by_kid_[kid] = pem;
  }
  if (set.pem_by_kid_.empty()) return status::FieldInvalid(path, "holds no key");
  return set;
}

const std::string* KeySet::Find(const std::string& kid) const {
  const auto it = pem_by_kid_.find(kid);
  return it == pem_by_kid_.end() ? nullptr : &it->second;
}

absl::StatusOr<std::unique_ptr<Verifier>> Verifier::Make(const config::Auth& config,
                                                         const clock::Clock& clock) {
  ASSIGN_OR_RETURN(KeySet users, KeySet::Load(config.user_keys_file()));
  ASSIGN_OR_RETURN(KeySet services, KeySet::Load(config.service_keys_file()));
  return std::unique_ptr<Verifier>(
      new Verifier(config, std::move(users), std::move(services), clock));
}

absl::StatusOr<Verifier::Remembered> Verifier::Decode(const std::string& token, const KeySet& keys,
                                                      bool service) const {
  const std::string kid = KidOf(token);
  const std::string* pem = keys.Find(kid);
  if (pem == nullptr) return status::Unauthenticated("the token's key is not known");
  const std::size_t dot = token.find('.');
  if (!IsPlainObject(std::string_view(token).substr(dot + 1, token.rfind('.') - dot - 1))) {
    return status::Unauthenticated("the token's claims cannot be read");
  }
  jwt_t* raw = nullptr;
  const int decoded =
      jwt_decode(&raw, token.c_str(), reinterpret_cast<const unsigned char*>(pem->data()),
                 static_cast<int>(pem->size()));
  const JwtPtr jwt(raw, &jwt_free);
  // The algorithm is checked here because libjwt takes it from the token: an HMAC "signed" with
  // the public key would pass otherwise.
  if (decoded != 0 || jwt_get_alg(raw) != JWT_ALG_ES256) {
    return status::Unauthenticated("the token's signature is not valid");
  }
  const absl::Time now = clock_.Now();
  const absl::Time expires = absl::FromUnixSeconds(jwt_get_grant_int(raw, "exp"));
  const absl::Time issued = absl::FromUnixSeconds(jwt_get_grant_int(raw, "iat"));
  if (now > expires + kLeeway) return status::Unauthenticated("the token has expired");
  if (issued > now + kLeeway) return status::Unauthenticated("the token is from the future");
  if (Claim(raw, "aud") != config_.audience()) {
    return status::Unauthenticated("the token is for another audience");
  }
  const std::string subject = Claim(raw, "sub");
  if (service) {
    if (subject != kid || !names::ServiceName::Parse(subject, "sub").ok()) {
      return status::Unauthenticated("the token does not name the service that signed it");
    }
  } else {
    if (Claim(raw, "iss") != config_.issuer()) {
      return status::Unauthenticated("the token is from another issuer");
    }
    if (!names::UserName::Parse(subject, "sub").ok()) {
      return status::Unauthenticated("the token names no user");
    }
  }
  return Remembered{subject, std::min(now + kRemember, expires + kLeeway)};
}

absl::StatusOr<std::string> Verifier::Verify(std::string_view header, const KeySet& keys,
                                             bool service) {
  if (!header.starts_with(kBearer) || header.size() > kMaxTokenLength) {
    return status::Unauthenticated("a bearer token is required");
  }
  const std::string token(header.substr(kBearer.size()));
  const std::string memory_key = (service ? "s" : "u") + token;
  {
    const absl::MutexLock lock(&mutex_);
    const auto it = remembered_.find(memory_key);
    if (it != remembered_.end() && clock_.Now() < it->second.until) return it->second.subject;
  }
  ASSIGN_OR_RETURN(const Remembered verified, Decode(token, keys, service));
  const absl::MutexLock lock(&mutex_);
  if (remembered_.size() >= kMaxRemembered) remembered_.clear();
  remembered_[memory_key] = verified;
  return verified.subject;
}

absl::StatusOr<std::string> Verifier::VerifyUser(std::string_view header) {
  return Verify(header, users_, /*service=*/false);
}

absl::StatusOr<std::string> Verifier::VerifyService(std::string_view header) {
  return Verify(header, services_, /*service=*/true);
}

absl::StatusOr<std::string> SignToken(const Claims& claims, const std::string& private_key_pem,
                                      absl::Time now) {
  jwt_t* raw = nullptr;
  if (jwt_new(&raw) != 0) return status::Internal("jwt");
  const JwtPtr jwt(raw, &jwt_free);
  const int64_t issued = absl::ToUnixSeconds(now);
  jwt_add_header(raw, "kid", claims.kid.c_str());
  jwt_add_grant(raw, "sub", claims.subject.c_str());
  jwt_add_grant(raw, "iss", claims.issuer.c_str());
  jwt_add_grant(raw, "aud", claims.audience.c_str());
  jwt_add_grant(raw, "jti", ids::IdSource::Real().NewId().c_str());
  jwt_add_grant_int(raw, "iat", issued);
  jwt_add_grant_int(raw, "auth_time", issued);
  jwt_add_grant_int(raw, "exp", issued + absl::ToInt64Seconds(claims.lifetime));
  if (jwt_set_alg(raw, JWT_ALG_ES256,
                  reinterpret_cast<const unsigned char*>(private_key_pem.data()),
                  static_cast<int>(private_key_pem.size())) != 0) {
    return status::FieldInvalid("private key", "is not a PEM key");
  }
  const std::unique_ptr<char, decltype(&std::free)> text(jwt_encode_str(raw), &std::free);
  if (text == nullptr) return status::FieldInvalid("private key", "cannot sign ES256");
  return std::string(text.get());
}

absl::StatusOr<std::unique_ptr<OwnToken>> OwnToken::Make(const config::Auth& config,
                                                         const clock::Clock& clock) {
  ASSIGN_OR_RETURN(std::string key, config::ReadFile(config.service_key_file()));
  return std::unique_ptr<OwnToken>(new OwnToken(config, std::move(key), clock));
}

absl::StatusOr<std::string> OwnToken::Header() {
  const absl::MutexLock lock(&mutex_);
  const absl::Time now = clock_.Now();
  if (now >= renew_at_) {
    const Claims claims{.subject = config_.service_name(),
                        .issuer = config_.service_name(),
                        .audience = config_.audience(),
                        .kid = config_.service_name()};
    ASSIGN_OR_RETURN(const std::string token, SignToken(claims, key_, now));
    header_ = std::string(kBearer) + token;
    renew_at_ = now + claims.lifetime / 2;
  }
  return header_;
}

}  // namespace edcert::auth
