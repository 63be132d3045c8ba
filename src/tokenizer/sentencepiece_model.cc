// tokenizer.model files, read and applied by libsentencepiece.
#include "tokenizer/sentencepiece_model.h"

#include <sentencepiece_processor.h>

#include "base/error.h"
#include "tokenizer/charsmap.h"
#include "tokenizer/pipeline.h"

namespace octet::tokenizer {
namespace {

// The few fields of sentencepiece_model.proto that the library does not tell.
struct NormalizerSpec {
  std::string_view charsmap;
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
};

// Reads protocol-buffer wire format: tags, variable-length integers, length-delimited fields.
class WireReader {
 public:
  WireReader(std::string_view bytes, const std::string& file) : bytes_(bytes), file_(file) {}

  bool at_end() const { return bytes_.empty(); }

  struct Field {
    uint64_t number;
    uint64_t value;          // of an integer field
    std::string_view bytes;  // of a length-delimited one
  };

  Field next() {
    const uint64_t tag = integer();
    Field field{tag >> 3, 0, {}};
    switch (tag & 7) {
      case 0:
        field.value = integer();
        break;
      case 1:
        take(8);
        break;
      case 2:
        field.bytes = take(integer());
        break;
      case 5:
        take(4);
        break;
      default:
        fail("{}: not a SentencePiece model", file_);
    }
    return field;
  }

 private:
  uint64_t integer() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<uint8_t>(take(1)[0]);
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    fail("{}: not a SentencePiece model", file_);
  }

  std::string_view take(uint64_t count) {
    if (count > bytes_.size()) fail("{}: the SentencePiece model is cut short", file_);
    const std::string_view taken = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return taken;
  }

  std::string_view bytes_;
  const std::string& file_;
};

NormalizerSpec read_normalizer_spec(std::string_view model, const std::string& file) {
  constexpr uint64_t kNormalizerSpec = 3;
  constexpr uint64_t kCharsmap = 2;
  constexpr uint64_t kAddDummyPrefix = 3;
  constexpr uint64_t kRemoveExtraWhitespaces = 4;
  NormalizerSpec spec;
  for (WireReader fields(model, file); !fields.at_end();) {
    const auto outer = fields.next();
    if (outer.number != kNormalizerSpec) continue;
    for (WireReader inner(outer.bytes, file); !inner.at_end();) {
      const auto field = inner.next();
      if (field.number == kCharsmap) {
        spec.charsmap = field.bytes;
        // The library follows this trie without looking where it leads.
        if (!spec.charsmap.empty()) Charsmap{spec.charsmap};
      }
      if (field.number == kAddDummyPrefix) spec.add_dummy_prefix = field.value != 0;
      if (field.number == kRemoveExtraWhitespaces) {
        spec.remove_extra_whitespaces = field.value != 0;
      }
    }
  }
  return spec;
}

class SentencePieceModel final : public Model {
 public:
  explicit SentencePieceModel(std::unique_ptr<sentencepiece::SentencePieceProcessor> processor)
      : processor_(std::move(processor)) {}

  void encode(std::span<const Pieces::Piece> pieces, std::vector<TokenId>& out) const override {
    for (const Pieces::Piece& piece : pieces) {
      std::vector<int> ids;
      const auto status = processor_->Encode(piece.text, &ids);
      if (!status.ok()) fail("SentencePiece cannot tokenise: {}", status.ToString());
      out.insert(out.end(), ids.begin(), ids.end());
    }
  }

 private:
  std::unique_ptr<sentencepiece::SentencePieceProcessor> processor_;
};

std::unique_ptr<sentencepiece::SentencePieceProcessor> load(std::string_view bytes,
                                                            const std::string& file) {
  auto processor = std::make_unique<sentencepiece::SentencePieceProcessor>();
  try {
    const auto status = processor->LoadFromSerializedProto(bytes);
    if (!status.ok()) {
      fail("{}: not a usable SentencePiece model: {}", file, status.ToString());
    }
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {  // its trie builder throws on odd pieces
    fail("{}: not a usable SentencePiece model: {}", file, error.what());
  }
  return processor;
}

// As sentencepiece decodes: "▁" is a space, and what was put before the text is taken away again.
Decoder make_decoder(const NormalizerSpec& spec) {
  std::vector<DecoderStep> steps;
  steps.emplace_back(Replacer::of_text("▁", " "));
  steps.emplace_back(ByteFallback{});
  StripText strip{" ", 0};
  if (spec.remove_extra_whitespaces) {
    strip.count = INT32_MAX;
  } else if (spec.add_dummy_prefix) {
    strip.count = 1;
  }
  return Decoder(std::move(steps), Replacement::kPerByte, std::move(strip));
}

}  // namespace

std::unique_ptr<Tokenizer> parse_sentencepiece(std::string_view bytes, const std::string& file,
                                               const DirectoryConfig& config) {
  const NormalizerSpec spec = read_normalizer_spec(bytes, file);
  auto processor = load(bytes, file);
  Pipeline pipeline;
  pipeline.file = file;
  auto vocabulary = std::make_shared<Vocabulary>();
  vocabulary->reserve(static_cast<size_t>(processor->GetPieceSize()), 0);
  for (int id = 0; id < processor->GetPieceSize(); ++id) {
    const std::string& piece = processor->IdToPiece(id);
    vocabulary->add(piece, id);
    if (processor->IsControl(id) || processor->IsUnknown(id)) {
      pipeline.added.push_back({.id = id, .content = piece, .special = true});
    }
  }
  pipeline.vocabulary = vocabulary;
  for (const AddedToken& token : config.added) {
    const bool known = processor->GetPieceSize() > token.id &&
                       (processor->IsControl(token.id) || processor->IsUnknown(token.id));
    const bool agrees =
        !vocabulary->has(token.id) || vocabulary->spelling(token.id) == token.content;
    if (!known && agrees) pipeline.added.push_back(token);
  }
  if (processor->bos_id() >= 0) pipeline.bos = processor->bos_id();
  if (processor->eos_id() >= 0) pipeline.eos = processor->eos_id();
  pipeline.decoder = make_decoder(spec);
  pipeline.model = std::make_unique<SentencePieceModel>(std::move(processor));
  // LLaMA's models begin a text with BOS; models without BOS (T5's) end it with EOS.
  if (pipeline.bos) {
    pipeline.prefix = {*pipeline.bos};
  } else if (pipeline.eos) {
    pipeline.suffix = {*pipeline.eos};
  }
  apply_config(config, pipeline);
  return make_pipeline(std::move(pipeline));
}

}  // namespace octet::tokenizer
