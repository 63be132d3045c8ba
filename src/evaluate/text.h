// Reading an evaluation text: plain text, JSON lines or a JSON array.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace octet::evaluate {

/// The texts of `path`, in order. Plain text is one document. JSON lines and JSON arrays hold one
/// document an element: a string, or an object whose string member `field` is the text.
/// The format follows the extension (.txt, .json, .jsonl, .ndjson), else the content: text that
/// begins as JSON but does not parse as it is plain. Throws Error naming the file and the line or
/// element that is wrong, and when there is no text at all.
std::vector<std::string> read_documents(const std::filesystem::path& path,
                                        const std::string& field = "text");

/// The documents as one text, joined by newlines.
std::string join(const std::vector<std::string>& documents);

}  // namespace octet::evaluate
