// One verdict for each line of JSON on stdin: "accepted", or the Reason with its detail. See ../differential.mjs.
//   {"kind":"jws","token":..,"jwks":{..},"algs":[..],"secret":base64url}
//   {"kind":"jwe","token":..,"key":{private JWK},"algs":[..]}
#include <iostream>
#include <stdexcept>
#include <string>

#include "oidc/base/base64.hpp"
#include "oidc/base/failure.hpp"
#include "oidc/base/json.hpp"
#include "oidc/base/secret.hpp"
#include "oidc/jose/jwe.hpp"
#include "oidc/jose/jwks.hpp"
#include "oidc/jose/jws.hpp"
#include "oidc/jose/own_keys.hpp"
#include "oidc/protocol/id_token.hpp"

namespace oidc {
namespace {

void judge_jws(const Json& task)
{
    const Secret secret{base64url_decode(task.string("secret").value_or("")).value_or("")};
    const Jws jws(task.string("token").value_or(""), id_token_reasons);
    const Jwks keys = task.has("jwks") ? parse_jwks(task.at("jwks").dump()) : Jwks{};
    VerifiedJws(jws, keys, {task.strings("algs"), &secret, id_token_reasons});
}

void judge_jwe(const Json& task)
{
    std::vector<OwnKey> keys;
    keys.push_back(load_own_key(task.at("key").dump(), KeyUse::enc, {}, {}));
    const std::string plaintext =
        decrypt(task.string("token").value_or(""), keys, task.strings("algs"), id_token_reasons);
    if (task.has("plaintext") && task.string("plaintext") != base64url(plaintext))
        throw std::logic_error{"another plaintext"};
}

std::string verdict(const std::string& line)
{
    const Json task = Json::parse(line);
    try {
        if (task.string("kind") == "jwe") judge_jwe(task);
        else judge_jws(task);
        return "accepted";
    } catch (const Failure& failure) {
        return std::string{name_of(failure.reason)} + " " + failure.detail;
    } catch (const std::exception& error) {
        return std::string{"error "} + error.what();
    }
}

}  // namespace
}  // namespace oidc

int main()
{
    for (std::string line; std::getline(std::cin, line);) {
        std::string verdict = oidc::verdict(line);
        for (char& c : verdict)
            if (c == '\n' || c == '\r') c = ' ';
        std::cout << verdict << '\n';
    }
}
