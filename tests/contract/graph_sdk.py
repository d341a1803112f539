"""Microsoft's own client, of which importing alone warns of deprecations inside itself."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from kiota_abstractions.authentication import (
        AccessTokenProvider,
        AllowedHostsValidator,
        BaseBearerTokenAuthenticationProvider,
    )
    from kiota_abstractions.base_request_configuration import RequestConfiguration
    from msgraph import GraphRequestAdapter, GraphServiceClient
    from msgraph.generated.directory.deleted_items.graph_user.graph_user_request_builder import (
        GraphUserRequestBuilder as DeletedUsersRequestBuilder,
    )
    from msgraph.generated.groups.delta.delta_request_builder import DeltaRequestBuilder as GroupsDelta
    from msgraph.generated.groups.groups_request_builder import GroupsRequestBuilder
    from msgraph.generated.groups.item.members.members_request_builder import MembersRequestBuilder
    from msgraph.generated.groups.item.transitive_members.graph_user.graph_user_request_builder import GraphUserRequestBuilder
    from msgraph.generated.models.group import Group
    from msgraph.generated.models.o_data_errors.o_data_error import ODataError
    from msgraph.generated.models.user import User
    from msgraph.generated.users.delta.delta_request_builder import DeltaRequestBuilder as UsersDelta
    from msgraph.generated.users.item.check_member_groups.check_member_groups_post_request_body import (
        CheckMemberGroupsPostRequestBody,
    )
    from msgraph.generated.users.users_request_builder import UsersRequestBuilder
    from msgraph_core import PageIterator

__all__ = [
    "AccessTokenProvider",
    "AllowedHostsValidator",
    "BaseBearerTokenAuthenticationProvider",
    "CheckMemberGroupsPostRequestBody",
    "DeletedUsersRequestBuilder",
    "GraphRequestAdapter",
    "GraphServiceClient",
    "GraphUserRequestBuilder",
    "Group",
    "GroupsDelta",
    "GroupsRequestBuilder",
    "MembersRequestBuilder",
    "ODataError",
    "PageIterator",
    "RequestConfiguration",
    "User",
    "UsersDelta",
    "UsersRequestBuilder",
]
