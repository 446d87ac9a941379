#include "common/auth/auth.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

#include <array>
#include <memory>
#include <string>

#include "absl/strings/escaping.h"
#include "common/testing/matchers.h"
#include "common/testing/test_server.h"

namespace edcert::auth {
namespace {

using testing::HasReason;
using testing::IsOk;

constexpr int64_t kNow = 1'795'000'000;

using KeyPtr = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using BioPtr = std::unique_ptr<BIO, decltype(&BIO_free)>;

KeyPtr KeyOf(const std::string& private_pem) {
  const BioPtr bio(BIO_new_mem_buf(private_pem.data(), static_cast<int>(private_pem.size())),
                   &BIO_free);
  return {PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr), &EVP_PKEY_free};
}

std::string PublicPem(const std::string& private_pem) {
  const BioPtr bio(BIO_new(BIO_s_mem()), &BIO_free);
  PEM_write_bio_PUBKEY(bio.get(), KeyOf(private_pem).get());
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

// Tokens are made here by hand, so that they can say what no library would write.
std::string Unsigned(const std::string& header, const std::string& payload) {
  return absl::WebSafeBase64Escape(header) + "." + absl::WebSafeBase64Escape(payload);
}

std::string Es256(const std::string& input, const std::string& private_pem) {
  const KeyPtr key = KeyOf(private_pem);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        &EVP_MD_CTX_free);
  std::array<unsigned char, 128> der;
  std::size_t size = der.size();
  EXPECT_EQ(EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()), 1);
  EXPECT_EQ(EVP_DigestSign(context.get(), der.data(), &size,
                           reinterpret_cast<const unsigned char*>(input.data()), input.size()),
            1);
  const unsigned char* at = der.data();
  const std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> signature(
      d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(size)), &ECDSA_SIG_free);
  std::string raw(64, '\0');
  auto* out = reinterpret_cast<unsigned char*>(raw.data());
  BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), out, 32);
  BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), out + 32, 32);
  return input + "." + absl::WebSafeBase64Escape(raw);
}

std::string Hs256(const std::string& input, const std::string& secret) {
  std::array<unsigned char, 32> mac;
  unsigned size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(input.data()), input.size(), mac.data(), &size);
  return input + "." + absl::WebSafeBase64Escape(std::string(mac.begin(), mac.end()));
}

class AuthTest : public ::testing::Test {
 protected:
  AuthTest()
      : clock_(absl::FromUnixSeconds(kNow)),
        user_key_("users/dev"),
        own_("services/workflow"),
        other_("services/snapshot") {
    config_.set_issuer("https://issuer");
    config_.set_audience("edcert");
    config_.set_user_keys_file(folder_.Write("users", Set(user_key_.Jwk())));
    config_.set_service_keys_file(folder_.Write("services", Set(own_.Jwk() + "," + other_.Jwk())));
    config_.set_service_key_file(folder_.Write("own.pem", own_.private_pem()));
    config_.set_service_name("services/workflow");
    auto verifier = Verifier::Make(config_, clock_);
    EXPECT_THAT(verifier, IsOk());
    verifier_ = *std::move(verifier);
  }

  static std::string Set(const std::string& keys) { return "{\"keys\":[" + keys + "]}"; }
  static std::string Header(const std::string& alg = "ES256",
                            const std::string& kid = "users/dev") {
    return fmt::format(R"({{"alg":"{}","typ":"JWT","kid":"{}"}})", alg, kid);
  }
  static std::string Payload(int64_t exp = kNow + 600, const std::string& more = "",
                             const std::string& iss = "https://issuer",
                             const std::string& aud = "\"edcert\"",
                             const std::string& sub = "users/ann") {
    return fmt::format(R"({{"iss":"{}","aud":{},"sub":"{}","iat":{},"exp":{}{}}})", iss, aud, sub,
                       kNow, exp, more);
  }
  absl::StatusOr<std::string> User(const std::string& token) {
    return verifier_->VerifyUser("Bearer " + token);
  }
  absl::StatusOr<std::string> Signed(const std::string& header, const std::string& payload) {
    return User(Es256(Unsigned(header, payload), user_key_.private_pem()));
  }
  absl::StatusOr<std::string> Service(const testing::TestKey& key, const std::string& kid,
                                      const std::string& sub) {
    return verifier_->VerifyService(
        "Bearer " +
        Es256(Unsigned(Header("ES256", kid), Payload(kNow + 600, "", sub, "\"edcert\"", sub)),
              key.private_pem()));
  }

  testing::FakeClock clock_;
  testing::TestFolder folder_;
  testing::TestKey user_key_;
  testing::TestKey own_;
  testing::TestKey other_;
  config::Auth config_;
  std::unique_ptr<Verifier> verifier_;
};

TEST_F(AuthTest, AcceptsAUser) {
  EXPECT_EQ(*Signed(Header(), Payload()), "users/ann");
  const auto token = SignToken({.subject = "users/bob",
                                .issuer = "https://issuer",
                                .audience = "edcert",
                                .kid = "users/dev"},
                               user_key_.private_pem(), clock_.Now());
  ASSERT_THAT(token, IsOk());
  EXPECT_EQ(*User(*token), "users/bob");
}

TEST_F(AuthTest, RefusesOtherAlgorithms) {
  // The classic: an HMAC whose secret is the public key.
  const std::string pem = PublicPem(user_key_.private_pem());
  for (const std::string& secret : {pem, pem.substr(0, pem.size() - 1)}) {
    EXPECT_THAT(User(Hs256(Unsigned(Header("HS256"), Payload()), secret)),
                HasReason("UNAUTHENTICATED"));
    EXPECT_THAT(User(Hs256(Unsigned(Header("ES256"), Payload()), secret)),
                HasReason("UNAUTHENTICATED"));
  }
  for (const char* none : {"none", "None", "NONE", ""}) {
    EXPECT_THAT(User(Unsigned(Header(none), Payload()) + "."), HasReason("UNAUTHENTICATED"));
    EXPECT_THAT(User(Unsigned(Header(none), Payload())), HasReason("UNAUTHENTICATED"));
    EXPECT_THAT(Signed(Header(none), Payload()), HasReason("UNAUTHENTICATED"));
  }
  EXPECT_THAT(Signed(Header("ES384"), Payload()), HasReason("UNAUTHENTICATED"));
  EXPECT_THAT(Signed(R"({"typ":"JWT","kid":"users/dev"})", Payload()),
              HasReason("UNAUTHENTICATED"));
}

TEST_F(AuthTest, RefusesAChangedToken) {
  const std::string good = Es256(Unsigned(Header(), Payload()), user_key_.private_pem());
  ASSERT_THAT(User(good), IsOk());
  const std::size_t dot = good.find('.');
  const std::size_t last = good.rfind('.');
  const std::string payload = absl::WebSafeBase64Escape(
      Payload(kNow + 600, "", "https://issuer", "\"edcert\"", "users/eve"));
  EXPECT_THAT(User(good.substr(0, dot + 1) + payload + good.substr(last)),
              HasReason("UNAUTHENTICATED"));
  EXPECT_THAT(User(good.substr(0, last + 1)), HasReason("UNAUTHENTICATED"));
  EXPECT_THAT(User(good.substr(0, last)), HasReason("UNAUTHENTICATED"));
  EXPECT_THAT(User(good.substr(0, good.size() - 8)), HasReason("UNAUTHENTICATED"));
  EXPECT_THAT(User(good.substr(0, last + 1) + std::string(86, 'A')), HasReason("UNAUTHENTICATED"));
}

TEST_F(AuthTest, ExpiryHasALeeway) {
  EXPECT_THAT(Signed(Header(), Payload(kNow - 29)), IsOk());
  EXPECT_THAT(Signed(Header(), Payload(kNow - 31)), HasReason("UNAUTHENTICATED"));
  EXPECT_THAT(Signed(Header(), Payload(0)), HasReason("UNAUTHENTICATED"));
  const std::string no_expiry =
      fmt::format(R"({{"iss":"https://issuer","aud":"edcert","sub":"users/ann","iat":{}}})", kNow);
  EXPECT_THAT(Signed(Header(), no_expiry), HasReason("UNAUTHENTICATED"));
  const std::string text_expiry = fmt::format(
      R"({{"iss":"https://issuer","aud":"edcert","sub":"users/ann","iat":{},"exp":"{}"}})", kNow,
      kNow + 600);
  EXPECT_THAT(Signed(Header(), text_expiry), HasReason("UNAUTHENTICATED"));
  // From the future.
  clock_.Set(absl::FromUnixSeconds(kNow - 31));
  EXPECT_THAT(Signed(Header(), Payload()), HasReason("UNAUTHENTICATED"));
  clock_.Set(absl::FromUnixSeconds(kNow - 29));
  EXPECT_THAT(Signed(Header(), Payload()), IsOk());
}

TEST_F(AuthTest, RememberedTokenExpiresToo) {
  const std::string token = Es256(Unsigned(Header(), Payload(kNow + 10)), user_key_.private_pem());
  EXPECT_THAT(User(token), IsOk());
  clock_.Set(absl::FromUnixSeconds(kNow + 39));
  EXPECT_THAT(User(token), IsOk());
  clock_.Set(absl::FromUnixSeconds(kNow + 41));
  EXPECT_THAT(User(token), HasReason("UNAUTHENTICATED"));
}

TEST_F(AuthTest, RefusesOtherClaims) {
  EXPECT_THAT(Signed(Header(), Payload(kNow + 600, "", "https://other")),
              HasReason("UNAUTHENTICATED"));
  for (const char* aud : {"\"other\"", "[\"edcert\"]", "null", "\"\""}) {
    EXPECT_THAT(Signed(Header(), Payload(kNow + 600, "", "https://issuer", aud)),
                HasReason("UNAUTHENTICATED"))
        << aud;
  }
  for (const char* sub : {"", "ann", "services/workflow", "users/", "users/A", "users/a/b"}) {
    EXPECT_THAT(Signed(Header(), Payload(kNow + 600, "", "https://issuer", "\"edcert\"", sub)),
                HasReason("UNAUTHENTICATED"))
        << sub;
  }
  // Said twice, whichever of them a reader would take.
  EXPECT_THAT(Signed(Header(), Payload(kNow + 600, R"(,"sub":"users/eve")")),
              HasReason("UNAUTHENTICATED"));
  EXPECT_THAT(Signed(R"({"alg":"ES256","kid":"users/dev","kid":"users/dev"})", Payload()),
              HasReason("UNAUTHENTICATED"));
}

TEST_F(AuthTest, RefusesUnknownKeys) {
  EXPECT_THAT(Signed(Header("ES256", "users/other"), Payload()), HasReason("UNAUTHENTICATED"));
  EXPECT_THAT(Signed(R"({"alg":"ES256"})", Payload()), HasReason("UNAUTHENTICATED"));
  EXPECT_THAT(Signed(R"({"alg":"ES256","kid":5})", Payload()), HasReason("UNAUTHENTICATED"));
  // Another key under a known kid.
  const testing::TestKey stranger("users/dev");
  EXPECT_THAT(User(Es256(Unsigned(Header(), Payload()), stranger.private_pem())),
              HasReason("UNAUTHENTICATED"));
}

TEST_F(AuthTest, RefusesWhatIsNoToken) {
  for (const std::string& header :
       {std::string(), std::string("Bearer"), std::string("Bearer "), std::string("Bearer ."),
        std::string("Bearer .."), std::string("Bearer a.b.c"), std::string("Basic YTpi"),
        "Bearer " + Es256(Unsigned("[]", Payload()), user_key_.private_pem()),
        "Bearer " + Es256(Unsigned("{", Payload()), user_key_.private_pem()),
        "Bearer " + Es256(Unsigned(Header(), "{"), user_key_.private_pem()),
        "Bearer " + Es256(Unsigned(Header(), "[]"), user_key_.private_pem()),
        "Bearer " + Es256(Unsigned(std::string(4000, '['), Payload()), user_key_.private_pem())}) {
    EXPECT_THAT(verifier_->VerifyUser(header), HasReason("UNAUTHENTICATED")) << header;
  }
}

TEST_F(AuthTest, RefusesAnOversizedToken) {
  const auto padded = [](std::size_t size) {
    return Payload(kNow + 600, fmt::format(R"(,"pad":"{}")", std::string(size, 'x')));
  };
  EXPECT_THAT(Signed(Header(), padded(5500)), IsOk());
  EXPECT_THAT(Signed(Header(), padded(6100)), HasReason("UNAUTHENTICATED"));
}

TEST_F(AuthTest, ServicesShowTheirOwnKey) {
  EXPECT_EQ(*Service(own_, "services/workflow", "services/workflow"), "services/workflow");
  EXPECT_EQ(*Service(other_, "services/snapshot", "services/snapshot"), "services/snapshot");
  // In the name of another.
  EXPECT_THAT(Service(other_, "services/snapshot", "services/workflow"),
              HasReason("UNAUTHENTICATED"));
  EXPECT_THAT(Service(other_, "services/workflow", "services/workflow"),
              HasReason("UNAUTHENTICATED"));
  EXPECT_THAT(Service(user_key_, "users/dev", "users/dev"), HasReason("UNAUTHENTICATED"));
}

TEST_F(AuthTest, HeadersAreNotInterchangeable) {
  const std::string user =
      "Bearer " + Es256(Unsigned(Header(), Payload()), user_key_.private_pem());
  const std::string service =
      "Bearer " +
      Es256(Unsigned(Header("ES256", "services/workflow"),
                     Payload(kNow + 600, "", "https://issuer", "\"edcert\"", "services/workflow")),
            own_.private_pem());
  EXPECT_THAT(verifier_->VerifyUser(user), IsOk());
  EXPECT_THAT(verifier_->VerifyService(service), IsOk());
  // Also when the other one is remembered.
  EXPECT_THAT(verifier_->VerifyService(user), HasReason("UNAUTHENTICATED"));
  EXPECT_THAT(verifier_->VerifyUser(service), HasReason("UNAUTHENTICATED"));
}

TEST_F(AuthTest, OwnTokenIsAcceptedAndRenewed) {
  auto own = OwnToken::Make(config_, clock_);
  ASSERT_THAT(own, IsOk());
  const std::string first = *(*own)->Header();
  EXPECT_EQ(*verifier_->VerifyService(first), "services/workflow");
  clock_.Set(absl::FromUnixSeconds(kNow + 200));
  EXPECT_EQ(*(*own)->Header(), first);
  clock_.Set(absl::FromUnixSeconds(kNow + 301));
  const std::string second = *(*own)->Header();
  EXPECT_NE(second, first);
  EXPECT_EQ(*verifier_->VerifyService(second), "services/workflow");
}

TEST_F(AuthTest, KeySetsAreChecked) {
  for (const std::string& text :
       {std::string(), std::string("[]"), std::string("{}"), std::string(R"({"keys":5})"), Set(""),
        Set("5"), Set(R"({"kty":"EC"})"), Set(R"({"kty":5,"kid":[]})"),
        Set(R"({"kty":"EC","crv":"P-256","kid":5,"x":5,"y":5})"),
        Set(R"({"kty":"EC","crv":"P-256","kid":"k","x":"AA","y":"AA"})"),
        // Not a point of the curve.
        Set(fmt::format(R"({{"kty":"EC","crv":"P-256","kid":"k","x":"{0}","y":"{0}"}})",
                        std::string(42, 'B') + "A")),
        Set(R"({"kty":"oct","kid":"k","k":"c2VjcmV0"})")}) {
    EXPECT_THAT(KeySet::Load(folder_.Write("bad", text)), HasReason("FIELD_INVALID")) << text;
  }
  EXPECT_THAT(KeySet::Load(folder_.Path("absent")), HasReason("FIELD_INVALID"));
  EXPECT_THAT(SignToken({.subject = "a", .issuer = "b", .audience = "c", .kid = "d"}, "no key",
                        clock_.Now()),
              HasReason("FIELD_INVALID"));
}

}  // namespace
}  // namespace edcert::auth
