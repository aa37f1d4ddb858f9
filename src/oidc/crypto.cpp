#include "crypto.hpp"

#include <openssl/hmac.h>
#include <openssl/rand.h>

namespace oidc {
namespace {

constexpr std::size_t key_size = 32, salt_size = 16, tag_size = 16, iv_size = 12;
constexpr std::size_t head_size = salt_size + iv_size;  // of what is sealed

void require(bool ok, const char* what)
{
    if (!ok) throw std::runtime_error{what};
}

const EVP_MD* md_of(std::string_view alg)
{
    for (const EVP_MD* md : {EVP_sha256(), EVP_sha384(), EVP_sha512()})
        if (alg.ends_with(std::to_string(EVP_MD_get_size(md) * 8))) return md;
    throw std::invalid_argument{"unknown hash"};
}

// One for each use, since a worker has a single thread. Freed, it leaves nothing of its key.
using Context = Owned<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;
Context context_of(const char* name)
{
    const Owned<EVP_CIPHER, EVP_CIPHER_free> cipher{EVP_CIPHER_fetch(nullptr, name, nullptr)};
    Context context{EVP_CIPHER_CTX_new()};
    require(EVP_CipherInit_ex2(context.get(), cipher.get(), nullptr, nullptr, 1, nullptr) == 1, name);
    return context;
}

// Without a key: the one of the last call. With a tag it decrypts; else new_tag is written.
bool process(const Context& with, const GcmInput& in, unsigned char* out, unsigned char* new_tag)
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

void system_random(std::span<unsigned char> out)
{
    require(RAND_bytes(out.data(), static_cast<int>(out.size())) == 1, "the system has no randomness to give");
}

void worker_random(std::span<unsigned char> out)
{
    static std::array<unsigned char, 4096> stock;
    static std::size_t used = stock.size();
    require(out.size() <= stock.size(), "too much randomness at once");
    if (out.size() > stock.size() - used) {
        system_random(stock);
        used = 0;
    }
    std::copy_n(stock.data() + used, out.size(), out.data());
    OPENSSL_cleanse(stock.data() + used, out.size());
    used += out.size();
}

Digest sha256(std::initializer_list<std::string_view> parts)
{
    static const Owned<EVP_MD, EVP_MD_free> md{EVP_MD_fetch(nullptr, "SHA256", nullptr)};
    static const Owned<EVP_MD_CTX, EVP_MD_CTX_free> context{EVP_MD_CTX_new()};
    Digest out;
    bool ok = EVP_DigestInit_ex2(context.get(), md.get(), nullptr) == 1;
    for (const std::string_view part : parts) ok = ok && EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1;
    require(ok && EVP_DigestFinal_ex(context.get(), out.data(), nullptr) == 1, "SHA-256");
    return out;
}

std::string hash(std::string_view alg, std::string_view bytes)
{
    const EVP_MD* md = md_of(alg);
    std::string out(static_cast<std::size_t>(EVP_MD_get_size(md)), '\0');
    require(EVP_Digest(bytes.data(), bytes.size(), bytes_of(out), nullptr, md, nullptr) == 1, "digest");
    return out;
}

std::string hmac(std::string_view alg, std::string_view key, std::string_view bytes)
{
    const EVP_MD* md = md_of(alg);
    std::string out(static_cast<std::size_t>(EVP_MD_get_size(md)), '\0');
    require(HMAC(md, key.data(), static_cast<int>(key.size()), bytes_of(bytes), bytes.size(), bytes_of(out), nullptr), "HMAC");
    return out;
}

std::string base64(std::string_view bytes)
{
    std::string out((bytes.size() + 2) / 3 * 4, '\0');
    EVP_EncodeBlock(bytes_of(out), bytes_of(bytes), static_cast<int>(bytes.size()));
    return out;
}

std::string base64url(std::string_view bytes)
{
    std::string out = base64(bytes);
    out.resize((bytes.size() * 4 + 2) / 3);
    for (const auto& [plain, safe] : {std::pair{'+', '-'}, {'/', '_'}})
        for (std::size_t at = out.find(plain); at != out.npos; at = out.find(plain, at + 1)) out[at] = safe;
    return out;
}

std::optional<std::string> base64url_decode(std::string_view text)
{
    std::string padded{text};
    for (char& c : padded) c = c == '-' ? '+' : c == '_' ? '/' : c;
    padded.append((4 - text.size() % 4) % 4, '=');
    std::string out(padded.size() / 4 * 3, '\0');
    if (EVP_DecodeBlock(bytes_of(out), bytes_of(padded), static_cast<int>(padded.size())) < 0) return std::nullopt;
    out.resize(text.size() * 3 / 4);
    if (base64url(out) != text) return std::nullopt;  // a second spelling of the same bytes
    return out;
}

std::optional<std::string> open_gcm(const GcmInput& in)
{
    if (in.key.size() != key_size || in.iv.size() != iv_size || in.tag.size() != tag_size) return std::nullopt;
    std::string plaintext(in.text.size(), '\0');
    if (process(context_of("AES-256-GCM"), in, bytes_of(plaintext), nullptr)) return plaintext;
    OPENSSL_cleanse(plaintext.data(), plaintext.size());
    return std::nullopt;
}

// A random salt gives this worker a key of its own, so that a counter may be the IV. A plain hash derives it, since both inputs
// are ours and the salt's length is fixed.
std::string seal(std::string_view key, std::string_view aad, std::string_view plaintext, RandomBytes random)
{
    static const Context context = context_of("AES-256-GCM");
    static std::string head(head_size, '\0'), sealed;
    static Secret kept;
    static std::uint64_t count = 0;
    const std::string_view salt = std::string_view{head}.substr(0, salt_size), iv = std::string_view{head}.substr(salt_size);
    const bool fresh = kept.reveal() != key;
    if (fresh) random({bytes_of(head), salt_size});
    std::memcpy(head.data() + salt_size, &++count, sizeof count);
    const Digest derived = fresh ? sha256({key, salt}) : Digest{};
    sealed.resize(head_size + plaintext.size() + tag_size);
    head.copy(sealed.data(), head_size);
    unsigned char* const text = bytes_of(sealed) + head_size;
    const std::string_view new_key = fresh ? view(derived) : std::string_view{};
    require(process(context, {new_key, iv, aad, plaintext, {}}, text, text + plaintext.size()), "AES-GCM");
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
