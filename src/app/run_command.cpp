#include "admin_client.hpp"
#include "run_command.hpp"

namespace meshcache::app {

command_result run_command(const operator_command& command) {
    const auto request = request_for(command);
    if (!request) return {2, {}, "meshcache: " + request.error + '\n'};
    const auto answer = ask_admin(command.admin, *request, command.token, patience_for(command));
    if (!answer) return {1, {}, "meshcache: " + answer.error + '\n'};
    return conclude(command, *answer);
}

} // namespace meshcache::app
