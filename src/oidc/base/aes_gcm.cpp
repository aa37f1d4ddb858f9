#include "oidc/base/aes_gcm.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "oidc/base/base64.hpp"
#include "oidc/base/digest.hpp"
#include "oidc/base/openssl.hpp"
#include "oidc/base/secret.hpp"

namespace oidc {
namespace {

constexpr std::size_t key_size = 32, salt_size = 16, tag_size = 16, iv_size = 12;
constexpr std::size_t head_size = salt_size + iv_size;  // of what is sealed

// One for each use, since a worker has a single thread. Freed, it leaves nothing of its key.
using CipherContext = Owned<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;
CipherContext context_of(const char* name)
{
    const Owned<EVP_CIPHER, EVP_CIPHER_free> cipher{EVP_CIPHER_fetch(nullptr, name, nullptr)};
    CipherContext context{EVP_CIPHER_CTX_new()};
    require_done(EVP_CipherInit_ex2(context.get(), cipher.get(), nullptr, nullptr, 1, nullptr) == 1, name);
    return context;
}

// Without a key: the one of the last call. With a tag it decrypts; else new_tag is written.
bool process(const CipherContext& with, const GcmInput& in, unsigned char* out, unsigned char* new_tag)
{
    EVP_CIPHER_CTX* const context = with.get();
    const auto aad_size = static_cast<int>(in.aad.size()), size = static_cast<int>(in.text.size());
    const unsigned char* const key = in.key.empty() ? nullptr : bytes_of(in.key);
    const bool encrypt = in.tag.empty();
    std::string tag{in.tag};
    int written = 0;
    return EVP_CipherInit_ex2(context, nullptr, key, bytes_of(in.iv), encrypt, nullptr) == 1 &&
           (aad_size == 0 || EVP_CipherUpdate(context, nullptr, &written, bytes_of(in.aad), aad_size) == 1) &&
           EVP_CipherUpdate(context, out, &written, bytes_of(in.text), size) == 1 &&
           (encrypt || EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, tag_size, tag.data()) == 1) &&
           EVP_CipherFinal_ex(context, out + size, &written) == 1 &&
           (!encrypt || EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, tag_size, new_tag) == 1);
}

}  // namespace

std::optional<std::string> open_gcm(const GcmInput& in)
{
    if (in.key.size() != key_size || in.iv.size() != iv_size || in.tag.size() != tag_size) return std::nullopt;
    std::string plaintext(in.text.size(), '\0');
    if (process(context_of("AES-256-GCM"), in, bytes_of(plaintext), nullptr)) return plaintext;
    OPENSSL_cleanse(plaintext.data(), plaintext.size());
    return std::nullopt;
}

// A random salt gives this worker a key of its own, so that a counter may be the IV. A plain hash derives it, since
// both inputs are ours and the salt's length is fixed.
std::string seal(std::string_view key, std::string_view aad, std::string_view plaintext, RandomBytes random)
{
    static const CipherContext context = context_of("AES-256-GCM");
    static std::string head(head_size, '\0'), sealed;
    static Secret kept;
    static std::uint64_t count = 0;
    const std::string_view salt = std::string_view{head}.substr(0, salt_size),
                           iv = std::string_view{head}.substr(salt_size);

    const bool fresh = kept.reveal() != key;
    if (fresh) random({bytes_of(head), salt_size});
    std::memcpy(head.data() + salt_size, &++count, sizeof count);

    const Digest derived = fresh ? sha256({key, salt}) : Digest{};

    sealed.resize(head_size + plaintext.size() + tag_size);
    head.copy(sealed.data(), head_size);

    unsigned char* const text = bytes_of(sealed) + head_size;
    const std::string_view new_key = fresh ? view(derived) : std::string_view{};
    require_done(process(context, {new_key, iv, aad, plaintext, {}}, text, text + plaintext.size()), "AES-GCM");
    if (fresh) kept = Secret(std::string{key});
    return base64url(sealed);
}

std::optional<std::string> unseal(std::string_view key, std::string_view aad, std::string_view sealed)
{
    const std::optional<std::string> bytes = base64url_decode(sealed);
    if (!bytes || bytes->size() < head_size + tag_size) return std::nullopt;
    const std::string_view all{*bytes}, text = all.substr(head_size, all.size() - head_size - tag_size);
    const Digest derived = sha256({key, all.substr(0, salt_size)});
    return open_gcm({view(derived), all.substr(salt_size, iv_size), aad, text, all.substr(all.size() - tag_size)});
}

}  // namespace oidc
