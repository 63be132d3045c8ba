// Reading JSON that may be hostile: bounded nesting, short one-line errors.
#include "checkpoint/json_text.h"

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "checkpoint/layout.h"

namespace octet::checkpoint {
namespace {

constexpr size_t kMostLevels = 64;

/// What the parser tells us while it reads; it keeps its own state on the heap, so the limit is
/// here for those who walk the value recursively later (dump, ours).
class Guard {
 public:
  Guard(std::string_view source, Duplicates duplicates)
      : source_(source), duplicates_(duplicates) {}

  void see(nlohmann::json::parse_event_t event, const nlohmann::json& parsed) {
    using Event = nlohmann::json::parse_event_t;
    switch (event) {
      case Event::object_start:
      case Event::array_start:
        if (open_.size() == kMostLevels) {
          fail("{}: JSON nested more than {} levels deep", source_, kMostLevels);
        }
        open_.emplace_back();
        break;
      case Event::object_end:
      case Event::array_end:
        open_.pop_back();
        break;
      case Event::key:
        if (duplicates_ == Duplicates::refuse) {
          const auto& key = parsed.get_ref<const std::string&>();
          if (!open_.back().insert(key).second) {
            fail("{}: {} appears twice; the file is damaged", source_, printable(key));
          }
        }
        break;
      case Event::value:
        break;
    }
  }

 private:
  std::string_view source_;
  Duplicates duplicates_;
  std::vector<std::set<std::string>> open_;  // keys met in each open object or array
};

}  // namespace

nlohmann::json parse_json(std::string_view text, std::string_view source, Duplicates duplicates) {
  Guard guard(source, duplicates);
  const auto see = [&guard](int, nlohmann::json::parse_event_t event, nlohmann::json& parsed) {
    guard.see(event, parsed);
    return true;
  };
  try {
    return nlohmann::json::parse(text, see);
  } catch (const nlohmann::json::parse_error& error) {
    fail("{}: not valid JSON at byte {}", source, error.byte);
  } catch (const nlohmann::json::exception&) {
    fail("{}: not valid JSON: a number is out of range", source);
  }
}

}  // namespace octet::checkpoint
