// Tokens that are found in a text as they stand, before the model sees what is between them.
#include "tokenizer/added_tokens.h"

#include <utf8proc.h>

#include <algorithm>
#include <numeric>

#include "tokenizer/utf8.h"

namespace octet::tokenizer {
namespace {

// The character that ends where `text` ends; nullopt when there is none or it is broken.
std::optional<std::string_view> last_character(std::string_view text) {
  for (size_t length = 1; length <= std::min<size_t>(4, text.size()); ++length) {
    const std::string_view tail = text.substr(text.size() - length);
    const Utf8Unit unit = utf8_unit(tail);
    if (unit.kind == Utf8Unit::Kind::kCharacter && unit.length == length) return tail;
  }
  return std::nullopt;
}

std::optional<std::string_view> first_character(std::string_view text) {
  if (text.empty()) return std::nullopt;
  const Utf8Unit unit = utf8_unit(text);
  if (unit.kind != Utf8Unit::Kind::kCharacter) return std::nullopt;
  return text.substr(0, unit.length);
}

bool is_word(std::optional<std::string_view> character) {
  if (!character) return false;
  const char32_t code_point = decode_character(*character, character->size());
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(code_point))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
      return true;
    default:
      return false;
  }
}

bool is_space(std::optional<std::string_view> character) {
  return character && is_white_space(decode_character(*character, character->size()));
}

PrefixMatcher matcher_of(const std::vector<AddedToken>& tokens, const Normalizer* normalizer) {
  std::vector<std::string> texts(tokens.size());
  std::vector<PrefixMatcher::Entry> entries;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const bool normalized = normalizer != nullptr;
    if (tokens[i].normalized != normalized) continue;
    const std::string& content = tokens[i].content;
    const bool well_formed = well_formed_prefix(content) == content.size();
    texts[i] = normalized && well_formed ? normalizer->apply(content) : content;
    entries.push_back({texts[i], static_cast<uint32_t>(i)});
  }
  return PrefixMatcher(std::move(entries));
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens, const Normalizer& normalizer)
    : tokens_(std::move(tokens)),
      by_id_(tokens_.size()),
      raw_(matcher_of(tokens_, nullptr)),
      normalized_(matcher_of(tokens_, &normalizer)) {
  std::iota(by_id_.begin(), by_id_.end(), 0u);
  std::stable_sort(by_id_.begin(), by_id_.end(),
                   [&](uint32_t a, uint32_t b) { return tokens_[a].id < tokens_[b].id; });
  std::vector<PrefixMatcher::Entry> contents;
  for (uint32_t i = 0; i < tokens_.size(); ++i) contents.push_back({tokens_[i].content, i});
  contents_ = PrefixMatcher(std::move(contents));
}

std::vector<AddedTokens::Segment> AddedTokens::split(std::string_view text, Where where,
                                                     bool parse_special) const {
  const PrefixMatcher& matcher = where == Where::kRawText ? raw_ : normalized_;
  std::vector<Segment> segments;
  size_t covered = 0;
  for (size_t at = 0; at < text.size() && !matcher.empty();) {
    size_t length = 0;
    const AddedToken* token = nullptr;
    matcher.for_each_prefix(text.substr(at), [&](size_t matched, uint32_t index) {
      length = matched;
      token = &tokens_[index];
    });
    if (token == nullptr) {
      ++at;
      continue;
    }
    size_t begin = at;
    size_t end = at + length;
    at = end;  // a match that is passed over still hides what lies inside it
    if (token->special && !parse_special) continue;
    if (token->single_word && (is_word(last_character(text.substr(0, begin))) ||
                               is_word(first_character(text.substr(end))))) {
      continue;
    }
    while (token->lstrip && begin > covered && is_space(last_character(text.substr(0, begin)))) {
      begin -= last_character(text.substr(0, begin))->size();
    }
    while (token->rstrip && is_space(first_character(text.substr(end)))) {
      end += first_character(text.substr(end))->size();
    }
    at = end;
    if (begin > covered) segments.push_back({text.substr(covered, begin - covered), kNoToken});
    segments.push_back({text.substr(begin, end - begin), token->id});
    covered = end;
  }
  if (covered < text.size()) segments.push_back({text.substr(covered), kNoToken});
  return segments;
}

const AddedToken* AddedTokens::find(std::string_view content) const {
  const AddedToken* token = nullptr;
  contents_.for_each_prefix(content, [&](size_t length, uint32_t index) {
    if (length == content.size()) token = &tokens_[index];
  });
  return token;
}

const AddedToken* AddedTokens::find(TokenId id) const {
  const auto at =
      std::lower_bound(by_id_.begin(), by_id_.end(), id,
                       [&](uint32_t index, TokenId wanted) { return tokens_[index].id < wanted; });
  return at != by_id_.end() && tokens_[*at].id == id ? &tokens_[*at] : nullptr;
}

}  // namespace octet::tokenizer
