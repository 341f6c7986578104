#include "flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "codec/toml.h"
#include "terminal.h"

namespace gateway::cli {
namespace {

// The name that is a slip of the pen away, if one is.
std::string did_you_mean(const std::string& word, const std::vector<std::string>& names, const std::string& prefix) {
  std::string nearest;
  std::size_t least = 3;
  for (const std::string& name : names) {
    if (const std::size_t distance = codec::edit_distance(word, prefix + name); distance < least) {
      least = distance;
      nearest = prefix + name;
    }
  }
  return nearest.empty() ? "" : "; did you mean `" + nearest + "`?";
}

std::string unknown_command(const CLI::App& app, const std::string& word) {
  std::vector<std::string> names;
  for (const auto* one : app.get_subcommands({})) names.push_back(one->get_name());
  return "there is no command `" + word + "`" + did_you_mean(word, names, "");
}

std::string unknown_flag(const CLI::App& app, const std::string& word) {
  std::vector<std::string> names;
  for (const auto* option : app.get_options())
    names.insert(names.end(), option->get_lnames().begin(), option->get_lnames().end());
  return "there is no flag `" + word + "` here" + did_you_mean(word, names, "--");
}

int usage_error(const CLI::App& root, const CLI::ParseError& error) {
  std::string name = root.get_name();
  const CLI::App* last = &root;
  while (!last->get_subcommands().empty()) {
    last = last->get_subcommands().front();
    name += " " + last->get_name();
  }
  // A word that names no command, or a flag that is none, is the likelier mistake than a missing or a needless word.
  const auto words = last->remaining();
  const auto flag = std::ranges::find_if(words, [](const std::string& word) { return word.starts_with("--"); });
  std::string what = error.what();
  if (!words.empty() && !last->get_subcommands({}).empty()) what = unknown_command(*last, words.front());
  else if (flag != words.end()) what = unknown_flag(*last, flag->substr(0, flag->find('=')));
  say(name + ": " + what);
  say("  what to do: see `" + name + " --help`");
  return kUsage;
}

}  // namespace

Flag& Flag::required() {
  option_->required();
  return *this;
}
Flag& Flag::type(const char* name) {
  option_->type_name(name);
  return *this;
}
Flag& Flag::one_each() {
  option_->allow_extra_args(false);
  return *this;
}
Flag& Flag::shows_default() {
  option_->capture_default_str();
  return *this;
}
Flag& Flag::needs(const Flag& other) {
  option_->needs(other.option_);
  return *this;
}
Flag& Flag::excludes(const Flag& other) {
  option_->excludes(other.option_);
  return *this;
}

Command Command::add(const char* name, const char* description, std::function<int()> run) {
  CLI::App* const app = app_->add_subcommand(name, description);
  app->footer("");  // otherwise it repeats its parent's
  app->final_callback([run = std::move(run), status = status_] { *status = run(); });
  return {app, status_};
}
Command Command::group(const char* name, const char* description) {
  CLI::App* const app = app_->add_subcommand(name, description);
  app->require_subcommand(1);
  return {app, status_};
}

Flag Command::option(const char* name, std::string& to, const char* help) {
  return Flag(app_->add_option(name, to, help));
}
Flag Command::option(const char* name, std::optional<std::string>& to, const char* help) {
  return Flag(app_->add_option(name, to, help));
}
Flag Command::option(const char* name, std::vector<std::string>& to, const char* help) {
  return Flag(app_->add_option(name, to, help));
}
Flag Command::option(const char* name, unsigned& to, const char* help) {
  return Flag(app_->add_option(name, to, help));
}
Flag Command::option(const char* name, std::uint64_t& to, const char* help) {
  return Flag(app_->add_option(name, to, help));
}
Flag Command::flag(const char* name, bool& to, const char* help) { return Flag(app_->add_flag(name, to, help)); }
Flag Command::flag(const char* name, std::function<void()> given, const char* help) {
  return Flag(app_->add_flag_callback(name, std::move(given), help));
}
void Command::footer(const std::string& text) { app_->footer(text); }

CommandLine::CommandLine(const char* description, const char* version) : app_(std::make_unique<CLI::App>(description)) {
  app_->name("gateway");
  app_->require_subcommand(1);
  app_->set_version_flag("--version", version);
  app_->get_formatter()->column_width(34);
}
CommandLine::~CommandLine() = default;

Command CommandLine::root() { return {app_.get(), &status_}; }

int CommandLine::run(int argc, char** argv) {
  std::vector<std::string> words(argv + 1, argv + argc);
  if (!words.empty() && words.front() == "help") {  // `gateway help run` is `gateway run --help`
    words.erase(words.begin());
    words.emplace_back("--help");
  }
  std::ranges::reverse(words);  // as CLI11 wants them
  try {
    app_->parse(std::move(words));
  } catch (const CLI::Success& success) {  // --help, --version
    return app_->exit(success);
  } catch (const CLI::ParseError& error) {
    return usage_error(*app_, error);
  }
  return status_;
}

}  // namespace gateway::cli
