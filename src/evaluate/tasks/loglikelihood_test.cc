// Log-likelihoods in batches against those of each sequence alone.
#include "evaluate/tasks/loglikelihood.h"

#include <gtest/gtest.h>

#include <random>

#include "evaluate/divergence.h"
#include "octet/error.h"
#include "support/scoring.h"
#include "support/temporary_directory.h"
#include "support/tiny_model.h"

namespace octet::evaluate {
namespace {

using linear::Method;
using linear::OutlierMode;

std::vector<int32_t> random_ids(std::mt19937& random, int64_t count) {
  std::vector<int32_t> ids;
  ids.reserve(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) ids.push_back(static_cast<int32_t>(random() % 97));
  return ids;
}

/// Documents of one to four answers whose sequences share between none and all of their contexts.
std::vector<DocumentSequences> some_documents(int64_t count) {
  std::mt19937 random(7);
  std::vector<DocumentSequences> documents;
  for (int64_t d = 0; d < count; ++d) {
    const std::vector<int32_t> context =
        random_ids(random, 1 + static_cast<int64_t>(random() % 40));
    const auto length = static_cast<int64_t>(context.size());
    DocumentSequences document;
    document.shared = static_cast<int64_t>(random()) % length;
    for (int64_t a = 0; a <= d % 4; ++a) {
      TokenSequence answer = {.tokens = context, .scored_from = length};
      for (int64_t i = document.shared; i < length && d % 3 == 0; ++i)
        answer.tokens[static_cast<size_t>(i)] = static_cast<int32_t>(random() % 97);
      const auto rest = random_ids(random, 1 + static_cast<int64_t>(random() % 12));
      answer.tokens.insert(answer.tokens.end(), rest.begin(), rest.end());
      document.answers.push_back(std::move(answer));
    }
    documents.push_back(std::move(document));
  }
  return documents;
}

Answer alone(model::Model& model, device::Cpu& cpu, const TokenSequence& sequence, int bits) {
  const std::span<const int32_t> read =
      std::span(sequence.tokens).first(sequence.tokens.size() - 1);
  const test::Logits logits = test::all_logits(model, cpu, read, bits);
  Answer answer;
  for (auto i = static_cast<size_t>(sequence.scored_from); i < sequence.tokens.size(); ++i) {
    answer.loglikelihood -= score_row(logits[i - 1], sequence.tokens[i]).nll;
    answer.greedy = answer.greedy && argmax(logits[i - 1]) == sequence.tokens[i];
  }
  return answer;
}

class Loglikelihood : public testing::TestWithParam<std::pair<Method, OutlierMode>> {};

TEST_P(Loglikelihood, OfABatchIsThatOfEachSequenceAlone) {
  const test::TemporaryDirectory directory;
  test::write_tiny_model({.outlier_gain = 20}, directory.path());
  device::Cpu cpu(2);
  const auto [method, outliers] = GetParam();
  model::Loaded loaded = model::load(cpu, directory.path(), test::with_method(method, 8, outliers));
  model::Model& model = loaded.model;
  const std::vector<DocumentSequences> documents = some_documents(80);
  std::vector<size_t> wanted;
  for (size_t i = 0; i < documents.size(); ++i)
    if (i % 5 != 3) wanted.push_back(i);

  std::vector<size_t> order;
  double share = 0;
  LoglikelihoodOptions options;
  options.activation_bits = 8;
  options.context = 64;
  options.finished = [&](size_t index, const Answers& answers) {
    order.push_back(index);
    ASSERT_EQ(answers.size(), documents[index].answers.size());
    for (size_t a = 0; a < answers.size(); ++a)
      EXPECT_EQ(answers[a], alone(model, cpu, documents[index].answers[a], 8))
          << "document " << index << ", answer " << a;
  };
  options.progress = [&](double done) {
    EXPECT_GT(done, share);
    share = done;
  };
  loglikelihoods(model, cpu, documents, wanted, options);
  EXPECT_EQ(order, wanted);
  EXPECT_EQ(share, 1);
}

INSTANTIATE_TEST_SUITE_P(Methods, Loglikelihood,
                         testing::Values(std::pair(Method::fp32, OutlierMode::kept),
                                         std::pair(Method::llm_int8, OutlierMode::kept),
                                         std::pair(Method::llm_int8, OutlierMode::batch),
                                         std::pair(Method::absmax, OutlierMode::kept)));

TEST(LoglikelihoodRun, StopsWhereACallbackThrowsAndKeepsWhatIsFinished) {
  const test::TemporaryDirectory directory;
  test::write_tiny_model({}, directory.path());
  device::Cpu cpu(1);
  model::Loaded loaded = model::load(cpu, directory.path(), test::with_method(Method::fp32));
  model::Model& model = loaded.model;
  const std::vector<DocumentSequences> documents = some_documents(80);
  std::vector<size_t> wanted(documents.size());
  for (size_t i = 0; i < wanted.size(); ++i) wanted[i] = i;
  size_t finished = 0;
  LoglikelihoodOptions options;
  options.context = 64;
  options.finished = [&](size_t, const Answers&) { ++finished; };
  options.progress = [&](double share) {
    if (share > 0.6) throw Error("stop");
  };
  EXPECT_THROW(loglikelihoods(model, cpu, documents, wanted, options), Error);
  EXPECT_GT(finished, 0u);
  EXPECT_LT(finished, documents.size());
}

}  // namespace
}  // namespace octet::evaluate
