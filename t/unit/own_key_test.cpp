// client_key: load_own_key() and public_jwks().
#include <gtest/gtest.h>

#include "oidc/base/base64.hpp"
#include "oidc/base/bytes.hpp"
#include "oidc/base/json.hpp"
#include "oidc/base/openssl.hpp"
#include "oidc/base/text.hpp"
#include "oidc/jose/own_keys.hpp"
#include "tokens.hpp"

namespace oidc {
namespace {

using tokens::jwk, tokens::key, tokens::pem, tokens::Pem, tokens::with;

OwnKey load(const std::string& text, KeyUse use = KeyUse::enc, std::string_view alg = {}, std::string_view kid = {})
{
    return load_own_key(text, use, alg, kid);
}

std::string refusal(const std::string& text, KeyUse use = KeyUse::enc, std::string_view alg = {})
{
    ERR_clear_error();
    try {
        load(text, use, alg);
        return "loaded";
    } catch (const std::invalid_argument& refused) {
        EXPECT_EQ(ERR_peek_error(), 0UL);
        return refused.what();
    }
}

std::string pem_of(EVP_PKEY* key) { return pem(tokens::Key{key, tokens::Release{}}); }

struct Form {
    const char* name;
    std::string text;
    KeyUse use;
};
std::vector<Form> every_form()
{
    std::vector<Form> forms;
    for (const KeyUse use : {KeyUse::enc, KeyUse::sig})
        for (const char* kind : {"rsa2048", "P-256"}) {
            forms.push_back({"PKCS#8", pem(key(kind)), use});
            forms.push_back({"PKCS#1 or SEC1", pem(key(kind), Pem::traditional), use});
            forms.push_back({"JWK", jwk(key(kind), true).dump(), use});
        }
    forms.push_back({"PKCS#8 P-384", pem(key("P-384")), KeyUse::sig});
    forms.push_back({"JWK P-521", jwk(key("P-521"), true).dump(), KeyUse::sig});
    return forms;
}

TEST(OwnKey, IsTheSameFromEveryForm)
{
    for (const char* kind : {"rsa2048", "P-256"}) {
        const OwnKey from_pem = load(pem(key(kind)));
        for (const std::string& text : {pem(key(kind), Pem::traditional), jwk(key(kind), true).dump(),
                                        "\n  " + jwk(key(kind), true).dump() + "\n"}) {
            const OwnKey other = load(text);
            EXPECT_EQ(EVP_PKEY_eq(from_pem.key.get(), other.key.get()), 1) << kind;
            EXPECT_EQ(from_pem.kid, other.kid) << kind;
        }
    }
}

TEST(OwnKey, ReadsWhatOpensslEcparamWrites)
{
    const std::string parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    EXPECT_EQ(EVP_PKEY_is_a(load(parameters + pem(key("P-256"), Pem::traditional)).key.get(), "EC"), 1);
}

TEST(OwnKey, TakesItsKidFromTheDirectiveThenTheJwkThenTheThumbprint)
{
    const std::string text = with(jwk(key("P-256"), true), {{"kid", "own"}}).dump();
    EXPECT_EQ(load(text, KeyUse::enc, {}, "given").kid, "given");
    EXPECT_EQ(load(text).kid, "own");
    EXPECT_EQ(load(pem(key("P-256"))).kid.size(), 43U);
}

TEST(OwnKey, HasTheThumbprintOfRfc7638)  // RFC 7517 appendix A.2 gives the private key of RFC 7638 section 3.1
{
    const char* const text =
        R"({"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECP)"
        R"(ebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJ)"
        R"(ZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1)"
        R"(jF44-csFCur-kEgU8awapJzKnqDKgw",)"
        R"("e":"AQAB","d":"X4cTteJY_gn4FYPsXB8rdXix5vwsg1FLN5E3EaG6RJoVH-HLLKD9M7dx5oo7GURknchnrRweUkC7hT5fJLM0WbFAKNLWY2)"
        R"(vv7B6NqXSzUvxT0_YSfqijwp3RTzlBaCxWp4doFk5N2o8Gy_nHNKroADIkJ46pRUohsXywbReAdYaMwFs9tv8d_cPVY3i07a3t8MN6TNwm0dSa)"
        R"(wm9v47UiCl3Sk5ZiG7xojPLu4sbg1U2jx4IBTNBznbJSzFHK66jT8bgkuqsk0GjskDJk19Z4qwjwbsnn4j2WBii3RL-Us2lGVkY8fkFzme1z0H)"
        R"(bIkfz0Y6mqnOYtqc0X4jfcKoAC8Q",)"
        R"("p":"83i-7IvMGXoMXCskv73TKr8637FiO7Z27zv8oj6pbWUQyLPQBQxtPVnwD20R-60eTDmD2ujnMt5PoqMrm8RfmNhVWDtjjMmCMjOpSXicF)"
        R"(Hj7XOuVIYQyqVWlWEh6dN36GVZYk93N8Bc9vY41xy8B9RzzOGVQzXvNEvn7O0nVbfs",)"
        R"("q":"3dfOR9cuYq-0S-mkFLzgItgMEfFzB2q3hWehMuG0oCuqnb3vobLyumqjVZQO1dIrdwgTnCdpYzBcOfW5r370AFXjiWft_NGEiovonizhK)"
        R"(po9VVS78TzFgxkIdrecRezsZ-1kYd_s1qDbxtkDEgfAITAG9LUnADun4vIcb6yelxk",)"
        R"("dp":"G4sPXkc6Ya9y8oJW9_ILj4xuppu0lzi_H7VTkS8xj5SdX3coE0oimYwxIi2emTAue0UOa5dpgFGyBJ4c8tQ2VF402XRugKDTP8akYhFo)"
        R"(5tAA77Qe_NmtuYZc3C3m3I24G2GvR5sSDxUyAN2zq8Lfn9EUms6rY3Ob8YeiKkTiBj0",)"
        R"("dq":"s9lAH9fggBsoFR8Oac2R_E2gw282rT2kGOAhvIllETE1efrA6huUUvMfBcMpn8lqeW6vzznYY5SSQF7pMdC_agI3nG8Ibp1BUb0JUira)"
        R"(RNqUfLhcQb_d9GF4Dh7e74WbRsobRonujTYN1xCaP6TO61jvWrX-L18txXw494Q_cgk",)"
        R"("qi":"GyM_p6JrXySiz1toFgKbWV-JdI3jQ4ypu9rbMWx3rQJBfmt0FoYzgUIZEVFEcOqwemRN81zoDAaa-Bk0KWNGDjJHZDdDmFhW3AN7lI-p)"
        R"(uxk_mHZGJ11rxyR8O55XLSe3SPmRfKwZI6yU24ZxvQKFYItdldUKGzO6Ia6zTKhAVRU"})";
    EXPECT_EQ(load(text).kid, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

TEST(OwnKey, RefusesAndNamesTheRemedy)
{
    const Json rsa = jwk(key("rsa2048"), true), ec = jwk(key("P-256"), true);
    const std::string x = *ec.string("x");
    const std::pair<std::string, const char*> rows[] = {
        {"", "unencrypted PEM"},
        {"garbage", "unencrypted PEM"},
        {"{\"kty\":", "malformed"},
        {jwk(key("rsa2048")).dump(), "public key"},
        {jwk(key("P-256")).dump(), "public key"},
        {tokens::jwks_text({rsa}), "JWK set"},
        {R"({"kty":"oct","k":"AAAA"})", "not supported"},
        {R"({"kty":"OKP","crv":"X25519","d":"AAAA","x":"AAAA"})", "not supported"},
        {with(ec, {{"crv", "secp256k1"}}).dump(), "not supported"},
        {with(rsa, {{"qi", ""}}).dump(), "whole private key"},
        {with(rsa, {{"q", *rsa.string("p")}}).dump(), "belong together"},
        {with(jwk(key("P-256")), {{"d", base64url(std::string(32, '\x05'))}}).dump(), "belong together"},
        {with(ec, {{"y", x}}).dump(), "do not make a key"},
        {with(ec, {{"use", "sig"}}).dump(), "\"use\""},
        {pem(key("rsa1024")), "1024 bits"},
        {pem(key("P-384")), "P-256"},
        {pem(key("secp256k1")), "not supported"},
        {pem_of(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")), "not supported"},
    };
    for (const auto& [text, words] : rows)
        EXPECT_NE(refusal(text).find(words), std::string::npos) << words << " / " << refusal(text);
}

TEST(OwnKey, RefusesAnEncryptedFileWithoutAsking)
{
    const tokens::Owned<BIO> bio{BIO_new(BIO_s_mem())};
    PEM_write_bio_PKCS8PrivateKey(bio.get(), key("P-256").get(), EVP_aes_256_cbc(), "secret", 6, nullptr, nullptr);
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    EXPECT_NE(refusal({data, static_cast<std::size_t>(size)}).find("unencrypted"), std::string::npos);
}

TEST(OwnKey, HasAnAlgThatItCanDo)
{
    struct Row {
        const char *kind, *alg;
        KeyUse use;
        bool good;
    };
    const Row rows[] = {
        {"rsa2048", "RSA-OAEP", KeyUse::enc, true}, {"rsa2048", "RSA-OAEP-256", KeyUse::enc, true},
        {"rsa2048", "ECDH-ES", KeyUse::enc, false}, {"rsa2048", "RSA1_5", KeyUse::enc, false},
        {"rsa2048", "RS256", KeyUse::enc, false},   {"P-256", "ECDH-ES", KeyUse::enc, true},
        {"P-256", "RSA-OAEP", KeyUse::enc, false},  {"P-256", "ES256", KeyUse::sig, true},
        {"P-256", "ES384", KeyUse::sig, false},     {"P-384", "ES384", KeyUse::sig, true},
        {"rsa2048", "PS512", KeyUse::sig, true},    {"rsa2048", "HS256", KeyUse::sig, false},
        {"P-256", "none", KeyUse::sig, false},      {"P-256", "ECDH-ES", KeyUse::sig, false},
        {"rsa2048", "ES256", KeyUse::sig, false},
    };
    for (const Row& row : rows)
        EXPECT_EQ(refusal(pem(key(row.kind)), row.use, row.alg) == "loaded", row.good) << row.kind << " " << row.alg;
    EXPECT_EQ(load(with(jwk(key("rsa2048"), true), {{"alg", "RSA-OAEP"}}).dump()).alg, "RSA-OAEP");
}

TEST(PublicJwks, NeverHoldsAPrivateMember)
{
    for (const Form& form : every_form()) {
        std::vector<OwnKey> keys;
        keys.push_back(load(form.text, form.use));
        const Json published = Json::parse(public_jwks(keys));
        ASSERT_EQ(published.at("keys").elements().size(), 1U) << form.name;
        const Json only = published.at("keys").elements()[0];
        for (const char* name : {"d", "p", "q", "dp", "dq", "qi", "k", "oth"})
            EXPECT_FALSE(only.has(name)) << form.name << " " << name;
        EXPECT_EQ(only.string("use"), form.use == KeyUse::enc ? "enc" : "sig");
        EXPECT_EQ(only.string("kid"), keys[0].kid);
    }
}

TEST(PublicJwks, HoldsThePublicMembersOfTheActiveKeysOnly)
{
    std::vector<OwnKey> keys;
    for (const char* kind : {"rsa2048", "P-256", "rsa2048 other"})
        keys.push_back(load(pem(key(kind)), KeyUse::enc, {}, kind));
    keys[1].alg = "ECDH-ES";
    keys[0].state = KeyState::retired;
    keys[2].state = KeyState::next;
    const Json expected = with(jwk(key("P-256")), {{"use", "enc"}, {"kid", "P-256"}, {"alg", "ECDH-ES"}});
    const std::vector<Json> published = Json::parse(public_jwks(keys)).at("keys").elements();
    ASSERT_EQ(published.size(), 1U);
    for (const std::string& name : expected.names())
        EXPECT_EQ(published[0].string(name), expected.string(name)) << name;
    EXPECT_EQ(published[0].names().size(), expected.names().size());
    EXPECT_EQ(public_jwks({}), R"({"keys":[]})");
}

}  // namespace
}  // namespace oidc
