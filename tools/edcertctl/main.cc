// edcertctl: the command-line client of every edcert service.
#include <algorithm>
#include <string_view>

#include "tools/edcertctl/commands.h"
#include "tools/edcertctl/comments.h"

int main(int argc, char** argv) {
  using namespace edcert::edcertctl;  // NOLINT: main is the program
  const auto asks_for_help = [](std::string_view argument) {
    return argument == "-h" || argument == "--help";
  };
  if (std::any_of(argv, argv + argc, asks_for_help)) EnableComments();
  Global global;
  int exit_code = 0;
  CLI::App app(
      "edcertctl calls the services of edcert.\n\n"
      "  edcertctl --as admin event_registry list-events\n"
      "  edcertctl --as ann dataset push-records --dataset datasets/enrollment \\\n"
      "      --district organizations/255901 --mode MODE_UPSERT --batch-id $(uuidgen) \\\n"
      "      --csv enrollment.csv\n\n"
      "Answers are JSON, one object per line; errors are JSON on standard error with exit code 1.\n"
      "A request_id is made when none is given.");
  app.add_option("--cluster", global.cluster, "cluster.json of a development cluster")
      ->envname("EDCERT_CLUSTER");
  app.add_option("--address", global.address, "host:port of the service, instead of --cluster");
  app.add_option("--token", global.token, "A user's token (JWT)")->envname("EDCERT_TOKEN");
  app.add_option("--as", global.user,
                 "Signs a token for this user with the cluster's development key");
  app.add_option("--replica", global.replica, "Which replica of the cluster's service")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--timeout", global.timeout_seconds, "Deadline of the call, in seconds")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.require_subcommand(1);
  AddServices(app, global, exit_code);
  AddTools(app, global, exit_code);
  CLI11_PARSE(app, argc, argv);
  return exit_code;
}
