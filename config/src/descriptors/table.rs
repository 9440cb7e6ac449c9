//! Written by `make descriptors`, and compared by a test with what the `.proto` files say: where each file lies in `files.bin`,
//! what it needs, and which file holds a message type. Not to be changed by hand.

use super::File;

/// The version of `envoy-types` that ships the files.
#[cfg(test)]
pub(super) const ENVOY_TYPES: &str = "0.7.7";
pub(super) static FILES: &[File] = &[
    File { start: 0, end: 408, needs: &[] }, // alpn.proto
    File { start: 408, end: 1465, needs: &[491] }, // api/ratelimit/config/ratelimit/v3/rls_conf.proto
    File { start: 1465, end: 1559, needs: &[] }, // api/ratelimit/service/ratelimit/v3/rls_conf_ds.proto
    File { start: 1559, end: 4092, needs: &[4, 490, 491] }, // cel/expr/checked.proto
    File { start: 4092, end: 7029, needs: &[489, 491, 492] }, // cel/expr/syntax.proto
    File { start: 7029, end: 8004, needs: &[492] }, // envoy/admin/v3/certs.proto
    File { start: 8004, end: 9929, needs: &[12, 20, 27, 29, 36, 475] }, // envoy/admin/v3/clusters.proto
    File { start: 9929, end: 11137, needs: &[8, 19, 487, 492] }, // envoy/admin/v3/config_dump.proto
    File { start: 11137, end: 16136, needs: &[487, 492] }, // envoy/admin/v3/config_dump_shared.proto
    File { start: 16136, end: 16401, needs: &[] }, // envoy/admin/v3/init_dump.proto
    File { start: 16401, end: 16783, needs: &[27] }, // envoy/admin/v3/listeners.proto
    File { start: 16783, end: 17084, needs: &[] }, // envoy/admin/v3/memory.proto
    File { start: 17084, end: 17284, needs: &[] }, // envoy/admin/v3/metrics.proto
    File { start: 17284, end: 17496, needs: &[] }, // envoy/admin/v3/mutex_stats.proto
    File { start: 17496, end: 20307, needs: &[29, 489] }, // envoy/admin/v3/server_info.proto
    File { start: 20307, end: 20497, needs: &[63] }, // envoy/admin/v3/tap.proto
    File { start: 20497, end: 20561, needs: &[] }, // envoy/annotations/deprecation.proto
    File { start: 20561, end: 20664, needs: &[] }, // envoy/annotations/resource.proto
    File { start: 20664, end: 24076, needs: &[29, 61, 75, 461, 475, 487, 493] }, // envoy/config/accesslog/v3/accesslog.proto
    File { start: 24076, end: 33191, needs: &[18, 21, 27, 29, 31, 32, 33, 41, 43, 51, 56, 57, 66, 412, 467, 475, 489, 491, 493] }, // envoy/config/bootstrap/v3/bootstrap.proto
    File { start: 33191, end: 34414, needs: &[29, 475, 489, 493] }, // envoy/config/cluster/v3/circuit_breaker.proto
    File { start: 34414, end: 46630, needs: &[20, 22, 23, 27, 29, 31, 33, 36, 39, 41, 46, 56, 461, 470, 475, 487, 489, 491, 493, 512, 516] }, // envoy/config/cluster/v3/cluster.proto
    File { start: 46630, end: 46946, needs: &[31, 487] }, // envoy/config/cluster/v3/filter.proto
    File { start: 46946, end: 49520, needs: &[33, 489, 493] }, // envoy/config/cluster/v3/outlier_detection.proto
    File { start: 49520, end: 49738, needs: &[33] }, // envoy/config/common/key_value/v3/config.proto
    File { start: 49738, end: 53605, needs: &[33, 61, 467] }, // envoy/config/common/matcher/v3/matcher.proto
    File { start: 53605, end: 54696, needs: &[29, 465, 467, 493] }, // envoy/config/common/mutation_rules/v3/mutation_rules.proto
    File { start: 54696, end: 56773, needs: &[33, 43, 493] }, // envoy/config/core/v3/address.proto
    File { start: 56773, end: 57017, needs: &[489] }, // envoy/config/core/v3/backoff.proto
    File { start: 57017, end: 62587, needs: &[27, 28, 38, 475, 480, 487, 491, 493, 513] }, // envoy/config/core/v3/base.proto
    File { start: 62587, end: 62837, needs: &[] }, // envoy/config/core/v3/cel.proto
    File { start: 62837, end: 65307, needs: &[29, 33, 35, 487, 489, 493, 510] }, // envoy/config/core/v3/config_source.proto
    File { start: 65307, end: 65548, needs: &[35] }, // envoy/config/core/v3/event_service_config.proto
    File { start: 65548, end: 65744, needs: &[487] }, // envoy/config/core/v3/extension.proto
    File { start: 65744, end: 65978, needs: &[] }, // envoy/config/core/v3/grpc_method_list.proto
    File { start: 65978, end: 70055, needs: &[29, 487, 489, 490, 491, 493] }, // envoy/config/core/v3/grpc_service.proto
    File { start: 70055, end: 74143, needs: &[29, 32, 33, 40, 467, 473, 476, 487, 489, 491, 493] }, // envoy/config/core/v3/health_check.proto
    File { start: 74143, end: 74566, needs: &[29, 33, 38] }, // envoy/config/core/v3/http_service.proto
    File { start: 74566, end: 74798, needs: &[489] }, // envoy/config/core/v3/http_uri.proto
    File { start: 74798, end: 82442, needs: &[33, 467, 475, 489, 493] }, // envoy/config/core/v3/protocol.proto
    File { start: 82442, end: 83289, needs: &[44] }, // envoy/config/core/v3/proxy_protocol.proto
    File { start: 83289, end: 83703, needs: &[27] }, // envoy/config/core/v3/resolver.proto
    File { start: 83703, end: 83974, needs: &[493] }, // envoy/config/core/v3/socket_cmsg_headers.proto
    File { start: 83974, end: 84911, needs: &[] }, // envoy/config/core/v3/socket_option.proto
    File { start: 84911, end: 85619, needs: &[29, 33, 491] }, // envoy/config/core/v3/substitution_format_string.proto
    File { start: 85619, end: 85885, needs: &[493] }, // envoy/config/core/v3/udp_socket_config.proto
    File { start: 85885, end: 87034, needs: &[47, 475, 489, 493] }, // envoy/config/endpoint/v3/endpoint.proto
    File { start: 87034, end: 89285, needs: &[27, 29, 31, 36, 493, 512] }, // envoy/config/endpoint/v3/endpoint_components.proto
    File { start: 89285, end: 91819, needs: &[27, 29, 489, 491] }, // envoy/config/endpoint/v3/load_report.proto
    File { start: 91819, end: 92115, needs: &[29] }, // envoy/config/grpc_credential/v3/file_based_metadata.proto
    File { start: 92115, end: 92293, needs: &[487] }, // envoy/config/listener/v3/api_listener.proto
    File { start: 92293, end: 96733, needs: &[18, 27, 29, 31, 33, 43, 50, 52, 54, 56, 489, 493, 512, 516] }, // envoy/config/listener/v3/listener.proto
    File { start: 96733, end: 99464, needs: &[27, 29, 31, 476, 487, 489, 493] }, // envoy/config/listener/v3/listener_components.proto
    File { start: 99464, end: 101067, needs: &[29, 33, 39, 42, 489, 493] }, // envoy/config/listener/v3/quic_config.proto
    File { start: 101067, end: 101664, needs: &[33, 45, 53] }, // envoy/config/listener/v3/udp_listener_config.proto
    File { start: 101664, end: 102373, needs: &[31, 35, 493] }, // envoy/config/metrics/v3/metrics_service.proto
    File { start: 102373, end: 104071, needs: &[27, 467, 487, 493] }, // envoy/config/metrics/v3/stats.proto
    File { start: 104071, end: 106300, needs: &[475, 487, 489, 493] }, // envoy/config/overload/v3/overload.proto
    File { start: 106300, end: 106650, needs: &[31, 35] }, // envoy/config/ratelimit/v3/rls.proto
    File { start: 106650, end: 110762, needs: &[27, 30, 33, 61, 459, 461, 464, 467, 476, 484, 485] }, // envoy/config/rbac/v3/rbac.proto
    File { start: 110762, end: 112681, needs: &[29, 31, 33, 61, 487, 493] }, // envoy/config/route/v3/route.proto
    File { start: 112681, end: 135206, needs: &[26, 29, 33, 40, 44, 458, 459, 461, 465, 467, 470, 471, 475, 476, 478, 487, 489, 493, 516] }, // envoy/config/route/v3/route_components.proto
    File { start: 135206, end: 135766, needs: &[60] }, // envoy/config/route/v3/scoped_route.proto
    File { start: 135766, end: 139001, needs: &[25, 29, 33, 35, 61, 489, 493] }, // envoy/config/tap/v3/common.proto
    File { start: 139001, end: 139420, needs: &[489] }, // envoy/config/trace/v3/datadog.proto
    File { start: 139420, end: 139615, needs: &[491] }, // envoy/config/trace/v3/dynamic_ot.proto
    File { start: 139615, end: 139899, needs: &[487] }, // envoy/config/trace/v3/http_tracer.proto
    File { start: 139899, end: 140353, needs: &[29] }, // envoy/config/trace/v3/lightstep.proto
    File { start: 140353, end: 141383, needs: &[33, 35, 37, 493] }, // envoy/config/trace/v3/opentelemetry.proto
    File { start: 141383, end: 141584, needs: &[35] }, // envoy/config/trace/v3/service.proto
    File { start: 141584, end: 142116, needs: &[35, 493] }, // envoy/config/trace/v3/skywalking.proto
    File { start: 142116, end: 142182, needs: &[] }, // envoy/config/trace/v3/trace.proto
    File { start: 142182, end: 142734, needs: &[27, 29, 491] }, // envoy/config/trace/v3/xray.proto
    File { start: 142734, end: 143738, needs: &[37, 493] }, // envoy/config/trace/v3/zipkin.proto
    File { start: 143738, end: 143912, needs: &[] }, // envoy/config/upstream/local_address_selector/v3/default_local_address_selector.proto
    File { start: 143912, end: 152080, needs: &[27, 29, 487, 489, 492, 493] }, // envoy/data/accesslog/v3/accesslog.proto
    File { start: 152080, end: 152581, needs: &[454, 493] }, // envoy/data/ai/v3/request_info.proto
    File { start: 152581, end: 153789, needs: &[454, 493] }, // envoy/data/ai/v3/token_usage.proto
    File { start: 153789, end: 155307, needs: &[492, 493] }, // envoy/data/cluster/v3/outlier_detection_event.proto
    File { start: 155307, end: 157098, needs: &[27, 29, 492] }, // envoy/data/core/v3/health_check_event.proto
    File { start: 157098, end: 157340, needs: &[] }, // envoy/data/core/v3/tlv_metadata.proto
    File { start: 157340, end: 158733, needs: &[467, 489] }, // envoy/data/dns/v3/dns_table.proto
    File { start: 158733, end: 159092, needs: &[27] }, // envoy/data/tap/v3/common.proto
    File { start: 159092, end: 160373, needs: &[29, 82, 492] }, // envoy/data/tap/v3/http.proto
    File { start: 160373, end: 161591, needs: &[82, 492] }, // envoy/data/tap/v3/transport.proto
    File { start: 161591, end: 162267, needs: &[83, 84, 475] }, // envoy/data/tap/v3/wrapper.proto
    File { start: 162267, end: 162716, needs: &[125, 487] }, // envoy/extensions/access_loggers/dynamic_modules/v3/dynamic_modules.proto
    File { start: 162716, end: 163199, needs: &[44, 491] }, // envoy/extensions/access_loggers/file/v3/file.proto
    File { start: 163199, end: 163471, needs: &[30] }, // envoy/extensions/access_loggers/filters/cel/v3/cel.proto
    File { start: 163471, end: 163950, needs: &[31] }, // envoy/extensions/access_loggers/filters/process_ratelimit/v3/process_ratelimit.proto
    File { start: 163950, end: 164905, needs: &[28, 33, 489, 491, 493] }, // envoy/extensions/access_loggers/fluentd/v3/fluentd.proto
    File { start: 164905, end: 166305, needs: &[29, 31, 35, 471, 489, 493] }, // envoy/extensions/access_loggers/grpc/v3/als.proto
    File { start: 166305, end: 167826, needs: &[33, 35, 37, 91, 471, 489, 493, 498] }, // envoy/extensions/access_loggers/open_telemetry/v3/logs_service.proto
    File { start: 167826, end: 169731, needs: &[75, 479, 493, 516] }, // envoy/extensions/access_loggers/stats/v3/stats.proto
    File { start: 169731, end: 170135, needs: &[44] }, // envoy/extensions/access_loggers/stream/v3/stream.proto
    File { start: 170135, end: 170354, needs: &[426] }, // envoy/extensions/access_loggers/wasm/v3/wasm.proto
    File { start: 170354, end: 170814, needs: &[125, 487] }, // envoy/extensions/bootstrap/dynamic_modules/v3/dynamic_modules.proto
    File { start: 170814, end: 171064, needs: &[493] }, // envoy/extensions/bootstrap/internal_listener/v3/internal_listener.proto
    File { start: 171064, end: 172215, needs: &[18, 29, 33, 489] }, // envoy/extensions/bootstrap/reverse_tunnel/downstream_socket_interface/v3/downstream_reverse_connection_socket_interface.proto
    File { start: 172215, end: 173040, needs: &[18, 33, 493] }, // envoy/extensions/bootstrap/reverse_tunnel/upstream_socket_interface/v3/upstream_reverse_connection_socket_interface.proto
    File { start: 173040, end: 173368, needs: &[31] }, // envoy/extensions/clusters/aggregate/v3/cluster.proto
    File { start: 173368, end: 173567, needs: &[] }, // envoy/extensions/clusters/common/dns/v3/dns.proto
    File { start: 173567, end: 173819, needs: &[] }, // envoy/extensions/clusters/composite/v3/cluster.proto
    File { start: 173819, end: 174826, needs: &[33, 101, 489] }, // envoy/extensions/clusters/dns/v3/dns_cluster.proto
    File { start: 174826, end: 176038, needs: &[21, 27, 103, 112, 489, 493] }, // envoy/extensions/clusters/dynamic_forward_proxy/v3/cluster.proto
    File { start: 176038, end: 176462, needs: &[125, 487] }, // envoy/extensions/clusters/dynamic_modules/v3/cluster.proto
    File { start: 176462, end: 177032, needs: &[489] }, // envoy/extensions/clusters/mcp_multicluster/v3/cluster.proto
    File { start: 177032, end: 177477, needs: &[470, 493] }, // envoy/extensions/clusters/original_dst/v3/original_dst.proto
    File { start: 177477, end: 178214, needs: &[489, 493] }, // envoy/extensions/clusters/redis/v3/redis_cluster.proto
    File { start: 178214, end: 178562, needs: &[489] }, // envoy/extensions/clusters/reverse_connection/v3/reverse_connection.proto
    File { start: 178562, end: 178893, needs: &[] }, // envoy/extensions/common/async_files/v3/async_file_manager.proto
    File { start: 178893, end: 181797, needs: &[29, 489] }, // envoy/extensions/common/aws/v3/credential_provider.proto
    File { start: 181797, end: 183626, needs: &[21, 24, 27, 33, 41, 458, 489, 493] }, // envoy/extensions/common/dynamic_forward_proxy/v3/dns_cache.proto
    File { start: 183626, end: 184188, needs: &[25, 33, 516] }, // envoy/extensions/common/matching/v3/extension_matcher.proto
    File { start: 184188, end: 185238, needs: &[478, 481, 493] }, // envoy/extensions/common/ratelimit/v3/ratelimit.proto
    File { start: 185238, end: 185595, needs: &[63] }, // envoy/extensions/common/tap/v3/common.proto
    File { start: 185595, end: 186253, needs: &[493] }, // envoy/extensions/compression/brotli/compressor/v3/brotli.proto
    File { start: 186253, end: 186557, needs: &[493] }, // envoy/extensions/compression/brotli/decompressor/v3/brotli.proto
    File { start: 186557, end: 187557, needs: &[493] }, // envoy/extensions/compression/gzip/compressor/v3/gzip.proto
    File { start: 187557, end: 187917, needs: &[493] }, // envoy/extensions/compression/gzip/decompressor/v3/gzip.proto
    File { start: 187917, end: 188574, needs: &[29, 493] }, // envoy/extensions/compression/zstd/compressor/v3/zstd.proto
    File { start: 188574, end: 188900, needs: &[29, 493] }, // envoy/extensions/compression/zstd/decompressor/v3/zstd.proto
    File { start: 188900, end: 189402, needs: &[125, 487] }, // envoy/extensions/config/validators/dynamic_modules/v3/dynamic_modules.proto
    File { start: 189402, end: 189615, needs: &[] }, // envoy/extensions/config/validators/minimum_clusters/v3/minimum_clusters.proto
    File { start: 189615, end: 190097, needs: &[181] }, // envoy/extensions/content_parsers/json/v3/json_content_parser.proto
    File { start: 190097, end: 190502, needs: &[29] }, // envoy/extensions/dynamic_modules/v3/dynamic_modules.proto
    File { start: 190502, end: 190632, needs: &[] }, // envoy/extensions/early_data/v3/default_early_data_policy.proto
    File { start: 190632, end: 191591, needs: &[] }, // envoy/extensions/filters/common/dependency/v3/dependency.proto
    File { start: 191591, end: 192458, needs: &[475, 489] }, // envoy/extensions/filters/common/fault/v3/fault.proto
    File { start: 192458, end: 193099, needs: &[29, 38, 489] }, // envoy/extensions/filters/common/jwks/v3/jwks.proto
    File { start: 193099, end: 193750, needs: &[29, 129] }, // envoy/extensions/filters/common/jwks/v3/jwt_handshake.proto
    File { start: 193750, end: 193892, needs: &[] }, // envoy/extensions/filters/common/matcher/action/v3/skip_action.proto
    File { start: 193892, end: 194527, needs: &[44] }, // envoy/extensions/filters/common/set_filter_state/v3/value.proto
    File { start: 194527, end: 195585, needs: &[493] }, // envoy/extensions/filters/http/a2a/v3/a2a.proto
    File { start: 195585, end: 197384, needs: &[29, 474, 475, 489, 493] }, // envoy/extensions/filters/http/adaptive_concurrency/v3/adaptive_concurrency.proto
    File { start: 197384, end: 198687, needs: &[29, 476, 489] }, // envoy/extensions/filters/http/admission_control/v3/admission_control.proto
    File { start: 198687, end: 200865, needs: &[33, 454, 493] }, // envoy/extensions/filters/http/ai_protocol_manager/v3/ai_protocol_manager.proto
    File { start: 200865, end: 201208, needs: &[39] }, // envoy/extensions/filters/http/alternate_protocols_cache/v3/alternate_protocols_cache.proto
    File { start: 201208, end: 202178, needs: &[] }, // envoy/extensions/filters/http/api_key_auth/v3/api_key_auth.proto
    File { start: 202178, end: 203354, needs: &[33, 491, 493] }, // envoy/extensions/filters/http/aws_eventstream_parser/v3/aws_eventstream_parser.proto
    File { start: 203354, end: 204346, needs: &[467] }, // envoy/extensions/filters/http/aws_lambda/v3/aws_lambda.proto
    File { start: 204346, end: 205642, needs: &[111, 467, 489] }, // envoy/extensions/filters/http/aws_request_signing/v3/aws_request_signing.proto
    File { start: 205642, end: 206434, needs: &[29, 489, 493] }, // envoy/extensions/filters/http/bandwidth_limit/v3/bandwidth_limit.proto
    File { start: 206434, end: 207742, needs: &[29, 489, 516] }, // envoy/extensions/filters/http/bandwidth_share/v3/bandwidth_share.proto
    File { start: 207742, end: 208235, needs: &[29] }, // envoy/extensions/filters/http/basic_auth/v3/basic_auth.proto
    File { start: 208235, end: 208488, needs: &[493] }, // envoy/extensions/filters/http/body_size_limit/v3/body_size_limit.proto
    File { start: 208488, end: 208849, needs: &[493] }, // envoy/extensions/filters/http/buffer/v3/buffer.proto
    File { start: 208849, end: 209846, needs: &[61, 467, 487, 493] }, // envoy/extensions/filters/http/cache/v3/cache.proto
    File { start: 209846, end: 210916, needs: &[61, 467, 487, 493] }, // envoy/extensions/filters/http/cache_v2/v3/cache.proto
    File { start: 210916, end: 211121, needs: &[] }, // envoy/extensions/filters/http/cdn_loop/v3/cdn_loop.proto
    File { start: 211121, end: 212464, needs: &[29, 31, 33, 516] }, // envoy/extensions/filters/http/composite/v3/composite.proto
    File { start: 212464, end: 214859, needs: &[29, 33, 467, 493] }, // envoy/extensions/filters/http/compressor/v3/compressor.proto
    File { start: 214859, end: 215004, needs: &[] }, // envoy/extensions/filters/http/connect_grpc_bridge/v3/config.proto
    File { start: 215004, end: 215899, needs: &[29, 467, 493] }, // envoy/extensions/filters/http/cors/v3/cors.proto
    File { start: 215899, end: 216281, needs: &[33] }, // envoy/extensions/filters/http/credential_injector/v3/credential_injector.proto
    File { start: 216281, end: 216721, needs: &[29, 467] }, // envoy/extensions/filters/http/csrf/v3/csrf.proto
    File { start: 216721, end: 216990, needs: &[516] }, // envoy/extensions/filters/http/custom_response/v3/custom_response.proto
    File { start: 216990, end: 218153, needs: &[29, 33, 493] }, // envoy/extensions/filters/http/decompressor/v3/decompressor.proto
    File { start: 218153, end: 219051, needs: &[112, 489] }, // envoy/extensions/filters/http/dynamic_forward_proxy/v3/dynamic_forward_proxy.proto
    File { start: 219051, end: 219819, needs: &[125, 487] }, // envoy/extensions/filters/http/dynamic_modules/v3/dynamic_modules.proto
    File { start: 219819, end: 225145, needs: &[26, 29, 31, 35, 38, 461, 467, 474, 491, 493] }, // envoy/extensions/filters/http/ext_authz/v3/ext_authz.proto
    File { start: 225145, end: 229509, needs: &[26, 29, 33, 35, 37, 162, 467, 474, 489, 491, 493] }, // envoy/extensions/filters/http/ext_proc/v3/ext_proc.proto
    File { start: 229509, end: 230537, needs: &[] }, // envoy/extensions/filters/http/ext_proc/v3/processing_mode.proto
    File { start: 230537, end: 232198, needs: &[61, 128, 475, 491, 493] }, // envoy/extensions/filters/http/fault/v3/fault.proto
    File { start: 232198, end: 233261, needs: &[110] }, // envoy/extensions/filters/http/file_server/v3/file_server.proto
    File { start: 233261, end: 235215, needs: &[110, 493] }, // envoy/extensions/filters/http/file_system_buffer/v3/file_system_buffer.proto
    File { start: 235215, end: 235715, needs: &[33] }, // envoy/extensions/filters/http/filter_chain/v3/filter_chain.proto
    File { start: 235715, end: 237424, needs: &[29, 38, 489, 493] }, // envoy/extensions/filters/http/gcp_authn/v3/gcp_authn.proto
    File { start: 237424, end: 237965, needs: &[33] }, // envoy/extensions/filters/http/geoip/v3/geoip.proto
    File { start: 237965, end: 239017, needs: &[29] }, // envoy/extensions/filters/http/grpc_field_extraction/v3/config.proto
    File { start: 239017, end: 239265, needs: &[] }, // envoy/extensions/filters/http/grpc_http1_bridge/v3/config.proto
    File { start: 239265, end: 239610, needs: &[] }, // envoy/extensions/filters/http/grpc_http1_reverse_bridge/v3/config.proto
    File { start: 239610, end: 240487, needs: &[493] }, // envoy/extensions/filters/http/grpc_json_reverse_transcoder/v3/transcoder.proto
    File { start: 240487, end: 242954, needs: &[493] }, // envoy/extensions/filters/http/grpc_json_transcoder/v3/transcoder.proto
    File { start: 242954, end: 243675, needs: &[34, 493] }, // envoy/extensions/filters/http/grpc_stats/v3/config.proto
    File { start: 243675, end: 243795, needs: &[] }, // envoy/extensions/filters/http/grpc_web/v3/grpc_web.proto
    File { start: 243795, end: 244744, needs: &[151, 493] }, // envoy/extensions/filters/http/gzip/v3/gzip.proto
    File { start: 244744, end: 245824, needs: &[26, 29] }, // envoy/extensions/filters/http/header_mutation/v3/header_mutation.proto
    File { start: 245824, end: 247049, needs: &[465] }, // envoy/extensions/filters/http/header_to_metadata/v3/header_to_metadata.proto
    File { start: 247049, end: 247796, needs: &[61, 475, 489, 493] }, // envoy/extensions/filters/http/health_check/v3/health_check.proto
    File { start: 247796, end: 248821, needs: &[27, 29] }, // envoy/extensions/filters/http/ip_tagging/v3/ip_tagging.proto
    File { start: 248821, end: 250439, needs: &[465, 491] }, // envoy/extensions/filters/http/json_to_metadata/v3/json_to_metadata.proto
    File { start: 250439, end: 255553, needs: &[29, 38, 61, 467, 489, 490] }, // envoy/extensions/filters/http/jwt_authn/v3/config.proto
    File { start: 255553, end: 255975, needs: &[475] }, // envoy/extensions/filters/http/kill_request/v3/kill_request.proto
    File { start: 255975, end: 257851, needs: &[29, 61, 114, 474, 481, 493] }, // envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit.proto
    File { start: 257851, end: 258890, needs: &[29, 491, 493] }, // envoy/extensions/filters/http/lua/v3/lua.proto
    File { start: 258890, end: 261098, needs: &[493] }, // envoy/extensions/filters/http/mcp/v3/mcp.proto
    File { start: 261098, end: 264136, needs: &[493] }, // envoy/extensions/filters/http/mcp_json_rest_bridge/v3/mcp_json_rest_bridge.proto
    File { start: 264136, end: 265587, needs: &[470, 489] }, // envoy/extensions/filters/http/mcp_router/v3/mcp_router.proto
    File { start: 265587, end: 270864, needs: &[29, 38, 61, 412, 464, 489, 493] }, // envoy/extensions/filters/http/oauth2/v3/oauth.proto
    File { start: 270864, end: 271412, needs: &[31, 489] }, // envoy/extensions/filters/http/on_demand/v3/on_demand.proto
    File { start: 271412, end: 271568, needs: &[] }, // envoy/extensions/filters/http/original_src/v3/original_src.proto
    File { start: 271568, end: 274153, needs: &[29, 516] }, // envoy/extensions/filters/http/proto_api_scrubber/v3/config.proto
    File { start: 274153, end: 274310, needs: &[] }, // envoy/extensions/filters/http/proto_api_scrubber/v3/matcher_actions.proto
    File { start: 274310, end: 276005, needs: &[29] }, // envoy/extensions/filters/http/proto_message_extraction/v3/config.proto
    File { start: 276005, end: 279200, needs: &[29, 33, 35, 474, 477, 489, 493, 495, 516] }, // envoy/extensions/filters/http/rate_limit_quota/v3/rate_limit_quota.proto
    File { start: 279200, end: 281377, needs: &[29, 58, 61, 474, 489] }, // envoy/extensions/filters/http/ratelimit/v3/rate_limit.proto
    File { start: 281377, end: 282026, needs: &[59, 516] }, // envoy/extensions/filters/http/rbac/v3/rbac.proto
    File { start: 282026, end: 283323, needs: &[18, 233, 489, 493] }, // envoy/extensions/filters/http/router/v3/router.proto
    File { start: 283323, end: 283693, needs: &[132] }, // envoy/extensions/filters/http/set_filter_state/v3/set_filter_state.proto
    File { start: 283693, end: 284264, needs: &[487, 491] }, // envoy/extensions/filters/http/set_metadata/v3/set_metadata.proto
    File { start: 284264, end: 284773, needs: &[33, 493] }, // envoy/extensions/filters/http/sse_to_metadata/v3/sse_to_metadata.proto
    File { start: 284773, end: 285368, needs: &[33] }, // envoy/extensions/filters/http/stateful_session/v3/stateful_session.proto
    File { start: 285368, end: 285800, needs: &[115] }, // envoy/extensions/filters/http/tap/v3/tap.proto
    File { start: 285800, end: 287590, needs: &[251, 491] }, // envoy/extensions/filters/http/thrift_to_metadata/v3/thrift_to_metadata.proto
    File { start: 287590, end: 288644, needs: &[26, 44] }, // envoy/extensions/filters/http/transform/v3/transform.proto
    File { start: 288644, end: 288788, needs: &[] }, // envoy/extensions/filters/http/upstream_codec/v3/upstream_codec.proto
    File { start: 288788, end: 288994, needs: &[426] }, // envoy/extensions/filters/http/wasm/v3/wasm.proto
    File { start: 288994, end: 289452, needs: &[125, 487] }, // envoy/extensions/filters/listener/dynamic_modules/v3/dynamic_modules.proto
    File { start: 289452, end: 289604, needs: &[] }, // envoy/extensions/filters/listener/http_inspector/v3/http_inspector.proto
    File { start: 289604, end: 290007, needs: &[29, 481] }, // envoy/extensions/filters/listener/local_ratelimit/v3/local_ratelimit.proto
    File { start: 290007, end: 290151, needs: &[] }, // envoy/extensions/filters/listener/original_dst/v3/original_dst.proto
    File { start: 290151, end: 290344, needs: &[] }, // envoy/extensions/filters/listener/original_src/v3/original_src.proto
    File { start: 290344, end: 291579, needs: &[40] }, // envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol.proto
    File { start: 291579, end: 291895, needs: &[132] }, // envoy/extensions/filters/listener/set_filter_state/v3/set_filter_state.proto
    File { start: 291895, end: 292520, needs: &[493] }, // envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.proto
    File { start: 292520, end: 293012, needs: &[29, 489, 493] }, // envoy/extensions/filters/network/connection_limit/v3/connection_limit.proto
    File { start: 293012, end: 293244, needs: &[29] }, // envoy/extensions/filters/network/direct_response/v3/config.proto
    File { start: 293244, end: 293387, needs: &[] }, // envoy/extensions/filters/network/dubbo_proxy/router/v3/router.proto
    File { start: 293387, end: 294603, needs: &[31, 220, 487] }, // envoy/extensions/filters/network/dubbo_proxy/v3/dubbo_proxy.proto
    File { start: 294603, end: 296277, needs: &[29, 61, 467, 476] }, // envoy/extensions/filters/network/dubbo_proxy/v3/route.proto
    File { start: 296277, end: 296773, needs: &[125, 487] }, // envoy/extensions/filters/network/dynamic_modules/v3/dynamic_modules.proto
    File { start: 296773, end: 296884, needs: &[] }, // envoy/extensions/filters/network/echo/v3/echo.proto
    File { start: 296884, end: 297868, needs: &[31, 35, 461] }, // envoy/extensions/filters/network/ext_authz/v3/ext_authz.proto
    File { start: 297868, end: 299205, needs: &[35, 489] }, // envoy/extensions/filters/network/ext_proc/v3/ext_proc.proto
    File { start: 299205, end: 300062, needs: &[29, 61, 487, 489] }, // envoy/extensions/filters/network/generic_proxy/action/v3/action.proto
    File { start: 300062, end: 300230, needs: &[] }, // envoy/extensions/filters/network/generic_proxy/codecs/dubbo/v3/dubbo.proto
    File { start: 300230, end: 300573, needs: &[493] }, // envoy/extensions/filters/network/generic_proxy/codecs/http1/v3/http1.proto
    File { start: 300573, end: 301329, needs: &[467] }, // envoy/extensions/filters/network/generic_proxy/matcher/v3/matcher.proto
    File { start: 301329, end: 301534, needs: &[] }, // envoy/extensions/filters/network/generic_proxy/router/v3/router.proto
    File { start: 301534, end: 302684, needs: &[18, 31, 33, 231, 233] }, // envoy/extensions/filters/network/generic_proxy/v3/generic_proxy.proto
    File { start: 302684, end: 303150, needs: &[516] }, // envoy/extensions/filters/network/generic_proxy/v3/route.proto
    File { start: 303150, end: 303438, needs: &[33] }, // envoy/extensions/filters/network/geoip/v3/geoip.proto
    File { start: 303438, end: 316028, needs: &[18, 27, 29, 31, 33, 39, 44, 60, 62, 66, 456, 471, 475, 487, 489, 493, 516] }, // envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto
    File { start: 316028, end: 316459, needs: &[29, 481] }, // envoy/extensions/filters/network/local_ratelimit/v3/local_rate_limit.proto
    File { start: 316459, end: 316972, needs: &[128, 493] }, // envoy/extensions/filters/network/mongo_proxy/v3/mongo_proxy.proto
    File { start: 316972, end: 317572, needs: &[58, 114, 489] }, // envoy/extensions/filters/network/ratelimit/v3/rate_limit.proto
    File { start: 317572, end: 318340, needs: &[59, 489, 516] }, // envoy/extensions/filters/network/rbac/v3/rbac.proto
    File { start: 318340, end: 323196, needs: &[27, 29, 35, 111, 112, 489, 493] }, // envoy/extensions/filters/network/redis_proxy/v3/redis_proxy.proto
    File { start: 323196, end: 323629, needs: &[233] }, // envoy/extensions/filters/network/reverse_tunnel/v3/drain_aware_hcm.proto
    File { start: 323629, end: 324778, needs: &[29, 130, 489] }, // envoy/extensions/filters/network/reverse_tunnel/v3/reverse_tunnel.proto
    File { start: 324778, end: 325360, needs: &[132] }, // envoy/extensions/filters/network/set_filter_state/v3/set_filter_state.proto
    File { start: 325360, end: 325498, needs: &[] }, // envoy/extensions/filters/network/sni_cluster/v3/sni_cluster.proto
    File { start: 325498, end: 325958, needs: &[112] }, // envoy/extensions/filters/network/sni_dynamic_forward_proxy/v3/sni_dynamic_forward_proxy.proto
    File { start: 325958, end: 326547, needs: &[29, 489, 493] }, // envoy/extensions/filters/network/tcp_bandwidth_limit/v3/tcp_bandwidth_limit.proto
    File { start: 326547, end: 330675, needs: &[18, 28, 29, 31, 33, 40, 233, 472, 475, 489, 493] }, // envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.proto
    File { start: 330675, end: 331962, needs: &[465] }, // envoy/extensions/filters/network/thrift_proxy/filters/header_to_metadata/v3/header_to_metadata.proto
    File { start: 331962, end: 333454, needs: &[465] }, // envoy/extensions/filters/network/thrift_proxy/filters/payload_to_metadata/v3/payload_to_metadata.proto
    File { start: 333454, end: 333938, needs: &[58, 489] }, // envoy/extensions/filters/network/thrift_proxy/filters/ratelimit/v3/rate_limit.proto
    File { start: 333938, end: 334219, needs: &[493] }, // envoy/extensions/filters/network/thrift_proxy/router/v3/router.proto
    File { start: 334219, end: 335997, needs: &[29, 61, 493] }, // envoy/extensions/filters/network/thrift_proxy/v3/route.proto
    File { start: 335997, end: 337746, needs: &[18, 31, 250, 487, 493] }, // envoy/extensions/filters/network/thrift_proxy/v3/thrift_proxy.proto
    File { start: 337746, end: 337958, needs: &[426] }, // envoy/extensions/filters/network/wasm/v3/wasm.proto
    File { start: 337958, end: 339473, needs: &[489, 493] }, // envoy/extensions/filters/network/zookeeper_proxy/v3/zookeeper_proxy.proto
    File { start: 339473, end: 340855, needs: &[18, 27, 29, 33, 41, 81, 489] }, // envoy/extensions/filters/udp/dns_filter/v3/dns_filter.proto
    File { start: 340855, end: 341306, needs: &[125, 487] }, // envoy/extensions/filters/udp/dynamic_modules/v3/dynamic_modules.proto
    File { start: 341306, end: 342093, needs: &[112, 493] }, // envoy/extensions/filters/udp/udp_proxy/session/dynamic_forward_proxy/v3/dynamic_forward_proxy.proto
    File { start: 342093, end: 342784, needs: &[35, 493] }, // envoy/extensions/filters/udp/udp_proxy/session/ext_authz/v3/ext_authz.proto
    File { start: 342784, end: 342955, needs: &[] }, // envoy/extensions/filters/udp/udp_proxy/session/http_capsule/v3/http_capsule.proto
    File { start: 342955, end: 343096, needs: &[] }, // envoy/extensions/filters/udp/udp_proxy/v3/route.proto
    File { start: 343096, end: 346121, needs: &[18, 28, 29, 31, 45, 487, 489, 493, 516] }, // envoy/extensions/filters/udp/udp_proxy/v3/udp_proxy.proto
    File { start: 346121, end: 346322, needs: &[30] }, // envoy/extensions/formatter/cel/v3/cel.proto
    File { start: 346322, end: 346773, needs: &[125, 487] }, // envoy/extensions/formatter/dynamic_modules/v3/dynamic_modules.proto
    File { start: 346773, end: 346903, needs: &[] }, // envoy/extensions/formatter/file_content/v3/file_content.proto
    File { start: 346903, end: 347343, needs: &[412] }, // envoy/extensions/formatter/generic_secret/v3/generic_secret.proto
    File { start: 347343, end: 347458, needs: &[] }, // envoy/extensions/formatter/metadata/v3/metadata.proto
    File { start: 347458, end: 347607, needs: &[] }, // envoy/extensions/formatter/req_without_query/v3/req_without_query.proto
    File { start: 347607, end: 348734, needs: &[] }, // envoy/extensions/geoip_providers/common/v3/common.proto
    File { start: 348734, end: 349218, needs: &[267] }, // envoy/extensions/geoip_providers/maxmind/v3/maxmind.proto
    File { start: 349218, end: 349433, needs: &[] }, // envoy/extensions/grpc_service/call_credentials/access_token/v3/access_token_credentials.proto
    File { start: 349433, end: 349826, needs: &[29] }, // envoy/extensions/grpc_service/call_credentials/file_based_metadata/v3/file_based_metadata_credentials.proto
    File { start: 349826, end: 350054, needs: &[] }, // envoy/extensions/grpc_service/call_credentials/google_compute_engine/v3/google_compute_engine_credentials.proto
    File { start: 350054, end: 350335, needs: &[] }, // envoy/extensions/grpc_service/call_credentials/google_iam/v3/google_iam_credentials.proto
    File { start: 350335, end: 350581, needs: &[] }, // envoy/extensions/grpc_service/call_credentials/google_refresh_token/v3/google_refresh_token_credentials.proto
    File { start: 350581, end: 350954, needs: &[489] }, // envoy/extensions/grpc_service/call_credentials/service_account_jwt_access/v3/service_account_jwt_access_credentials.proto
    File { start: 350954, end: 351509, needs: &[] }, // envoy/extensions/grpc_service/call_credentials/sts_service/v3/sts_service_credentials.proto
    File { start: 351509, end: 351716, needs: &[] }, // envoy/extensions/grpc_service/channel_credentials/google_default/v3/google_default_credentials.proto
    File { start: 351716, end: 351900, needs: &[] }, // envoy/extensions/grpc_service/channel_credentials/insecure/v3/insecure_credentials.proto
    File { start: 351900, end: 352072, needs: &[] }, // envoy/extensions/grpc_service/channel_credentials/local/v3/local_credentials.proto
    File { start: 352072, end: 352598, needs: &[413] }, // envoy/extensions/grpc_service/channel_credentials/tls/v3/tls_credentials.proto
    File { start: 352598, end: 352862, needs: &[487] }, // envoy/extensions/grpc_service/channel_credentials/xds/v3/xds_credentials.proto
    File { start: 352862, end: 353049, needs: &[] }, // envoy/extensions/health_check/event_sinks/file/v3/file.proto
    File { start: 353049, end: 353532, needs: &[125, 487] }, // envoy/extensions/health_checkers/dynamic_modules/v3/dynamic_modules.proto
    File { start: 353532, end: 353814, needs: &[238] }, // envoy/extensions/health_checkers/redis/v3/redis.proto
    File { start: 353814, end: 354223, needs: &[251] }, // envoy/extensions/health_checkers/thrift/v3/thrift.proto
    File { start: 354223, end: 354515, needs: &[36] }, // envoy/extensions/health_checkers/udp/v3/udp.proto
    File { start: 354515, end: 354704, needs: &[] }, // envoy/extensions/http/ai_filters/request_info/v3/request_info.proto
    File { start: 354704, end: 355695, needs: &[110, 489, 493] }, // envoy/extensions/http/cache/file_system_http_cache/v3/file_system_http_cache.proto
    File { start: 355695, end: 355841, needs: &[] }, // envoy/extensions/http/cache/simple_http_cache/v3/config.proto
    File { start: 355841, end: 356840, needs: &[110, 489, 493] }, // envoy/extensions/http/cache_v2/file_system_http_cache/v3/file_system_http_cache.proto
    File { start: 356840, end: 356994, needs: &[] }, // envoy/extensions/http/cache_v2/simple_http_cache/v3/config.proto
    File { start: 356994, end: 357753, needs: &[29, 44, 493] }, // envoy/extensions/http/custom_response/local_response_policy/v3/local_response_policy.proto
    File { start: 357753, end: 358562, needs: &[29, 33, 61, 493] }, // envoy/extensions/http/custom_response/redirect_policy/v3/redirect_policy.proto
    File { start: 358562, end: 359101, needs: &[125, 487] }, // envoy/extensions/http/early_header_mutation/dynamic_modules/v3/dynamic_modules.proto
    File { start: 359101, end: 359422, needs: &[26] }, // envoy/extensions/http/early_header_mutation/header_mutation/v3/header_mutation.proto
    File { start: 359422, end: 360230, needs: &[] }, // envoy/extensions/http/ext_proc/processing_request_modifiers/mapped_attribute_builder/v3/mapped_attribute_builder.proto
    File { start: 360230, end: 361450, needs: &[] }, // envoy/extensions/http/ext_proc/response_processors/save_processing_response/v3/save_processing_response.proto
    File { start: 361450, end: 361959, needs: &[125, 487] }, // envoy/extensions/http/header_formatters/dynamic_modules/v3/dynamic_modules.proto
    File { start: 361959, end: 362434, needs: &[] }, // envoy/extensions/http/header_formatters/preserve_case/v3/preserve_case.proto
    File { start: 362434, end: 363901, needs: &[] }, // envoy/extensions/http/header_validators/envoy_default/v3/header_validator.proto
    File { start: 363901, end: 364265, needs: &[412] }, // envoy/extensions/http/injected_credentials/generic/v3/generic.proto
    File { start: 364265, end: 365336, needs: &[38, 412, 489] }, // envoy/extensions/http/injected_credentials/oauth2/v3/oauth2.proto
    File { start: 365336, end: 365738, needs: &[474] }, // envoy/extensions/http/original_ip_detection/custom_header/v3/custom_header.proto
    File { start: 365738, end: 366246, needs: &[27, 493] }, // envoy/extensions/http/original_ip_detection/xff/v3/xff.proto
    File { start: 366246, end: 366479, needs: &[455] }, // envoy/extensions/http/stateful_session/cookie/v3/cookie.proto
    File { start: 366479, end: 366766, needs: &[] }, // envoy/extensions/http/stateful_session/envelope/v3/envelope.proto
    File { start: 366766, end: 366934, needs: &[] }, // envoy/extensions/http/stateful_session/header/v3/header.proto
    File { start: 366934, end: 367168, needs: &[] }, // envoy/extensions/internal_redirect/allow_listed_routes/v3/allow_listed_routes_config.proto
    File { start: 367168, end: 367423, needs: &[] }, // envoy/extensions/internal_redirect/filter_state/v3/filter_state_config.proto
    File { start: 367423, end: 367594, needs: &[] }, // envoy/extensions/internal_redirect/previous_routes/v3/previous_routes_config.proto
    File { start: 367594, end: 367772, needs: &[] }, // envoy/extensions/internal_redirect/safe_cross_scheme/v3/safe_cross_scheme_config.proto
    File { start: 367772, end: 368131, needs: &[489, 493] }, // envoy/extensions/key_value/file_based/v3/config.proto
    File { start: 368131, end: 369296, needs: &[314, 489, 493] }, // envoy/extensions/load_balancing_policies/client_side_weighted_round_robin/v3/client_side_weighted_round_robin.proto
    File { start: 369296, end: 369470, needs: &[] }, // envoy/extensions/load_balancing_policies/cluster_provided/v3/cluster_provided.proto
    File { start: 369470, end: 371541, needs: &[29, 61, 475, 489, 491, 493] }, // envoy/extensions/load_balancing_policies/common/v3/common.proto
    File { start: 371541, end: 372028, needs: &[125, 487] }, // envoy/extensions/load_balancing_policies/dynamic_modules/v3/dynamic_modules.proto
    File { start: 372028, end: 372952, needs: &[29, 314, 493] }, // envoy/extensions/load_balancing_policies/least_request/v3/least_request.proto
    File { start: 372952, end: 374012, needs: &[21, 489, 493] }, // envoy/extensions/load_balancing_policies/load_aware_locality/v3/load_aware_locality.proto
    File { start: 374012, end: 374610, needs: &[314, 493] }, // envoy/extensions/load_balancing_policies/maglev/v3/maglev.proto
    File { start: 374610, end: 375275, needs: &[21, 470] }, // envoy/extensions/load_balancing_policies/override_host/v3/override_host.proto
    File { start: 375275, end: 375475, needs: &[] }, // envoy/extensions/load_balancing_policies/pick_first/v3/pick_first.proto
    File { start: 375475, end: 375791, needs: &[314] }, // envoy/extensions/load_balancing_policies/random/v3/random.proto
    File { start: 375791, end: 376185, needs: &[21, 493] }, // envoy/extensions/load_balancing_policies/random_subsetting/v3/random_subsetting.proto
    File { start: 376185, end: 377197, needs: &[314, 493] }, // envoy/extensions/load_balancing_policies/ring_hash/v3/ring_hash.proto
    File { start: 377197, end: 377646, needs: &[314] }, // envoy/extensions/load_balancing_policies/round_robin/v3/round_robin.proto
    File { start: 377646, end: 379198, needs: &[21, 491] }, // envoy/extensions/load_balancing_policies/subset/v3/subset.proto
    File { start: 379198, end: 379497, needs: &[21] }, // envoy/extensions/load_balancing_policies/wrr_locality/v3/wrr_locality.proto
    File { start: 379497, end: 379662, needs: &[] }, // envoy/extensions/local_address_selectors/filter_state_override/v3/config.proto
    File { start: 379662, end: 380205, needs: &[] }, // envoy/extensions/matching/actions/transform_stat/v3/transform_stat.proto
    File { start: 380205, end: 380385, needs: &[] }, // envoy/extensions/matching/common_inputs/environment_variable/v3/input.proto
    File { start: 380385, end: 381001, needs: &[] }, // envoy/extensions/matching/common_inputs/network/v3/network_inputs.proto
    File { start: 381001, end: 381168, needs: &[] }, // envoy/extensions/matching/common_inputs/ssl/v3/ssl_inputs.proto
    File { start: 381168, end: 381335, needs: &[] }, // envoy/extensions/matching/common_inputs/stats/v3/stats.proto
    File { start: 381335, end: 382006, needs: &[] }, // envoy/extensions/matching/common_inputs/transport_socket/v3/transport_socket_inputs.proto
    File { start: 382006, end: 382480, needs: &[125, 487] }, // envoy/extensions/matching/http/dynamic_modules/v3/dynamic_modules.proto
    File { start: 382480, end: 382736, needs: &[] }, // envoy/extensions/matching/input_matchers/consistent_hashing/v3/consistent_hashing.proto
    File { start: 382736, end: 383359, needs: &[125, 487] }, // envoy/extensions/matching/input_matchers/dynamic_modules/v3/dynamic_modules.proto
    File { start: 383359, end: 383613, needs: &[27] }, // envoy/extensions/matching/input_matchers/ip/v3/ip.proto
    File { start: 383613, end: 383874, needs: &[469] }, // envoy/extensions/matching/input_matchers/metadata/v3/metadata.proto
    File { start: 383874, end: 384193, needs: &[29] }, // envoy/extensions/matching/input_matchers/runtime_fraction/v3/runtime_fraction.proto
    File { start: 384193, end: 384412, needs: &[] }, // envoy/extensions/network/dns_resolver/apple/v3/apple_dns_resolver.proto
    File { start: 384412, end: 385535, needs: &[27, 41, 489, 493] }, // envoy/extensions/network/dns_resolver/cares/v3/cares_dns_resolver.proto
    File { start: 385535, end: 385890, needs: &[493] }, // envoy/extensions/network/dns_resolver/getaddrinfo/v3/getaddrinfo_dns_resolver.proto
    File { start: 385890, end: 386974, needs: &[27, 489, 493] }, // envoy/extensions/network/dns_resolver/hickory/v3/hickory_dns_resolver.proto
    File { start: 386974, end: 387493, needs: &[476, 493] }, // envoy/extensions/network/socket_interface/sockmap/v3/sockmap.proto
    File { start: 387493, end: 388325, needs: &[493] }, // envoy/extensions/network/socket_interface/v3/default_socket_interface.proto
    File { start: 388325, end: 388941, needs: &[476] }, // envoy/extensions/outlier_detection_monitors/common/v3/error_types.proto
    File { start: 388941, end: 389481, needs: &[346, 493] }, // envoy/extensions/outlier_detection_monitors/consecutive_errors/v3/consecutive_errors.proto
    File { start: 389481, end: 389667, needs: &[] }, // envoy/extensions/path/match/uri_template/v3/uri_template_match.proto
    File { start: 389667, end: 389876, needs: &[] }, // envoy/extensions/path/rewrite/uri_template/v3/uri_template_rewrite.proto
    File { start: 389876, end: 389998, needs: &[] }, // envoy/extensions/queue_policy/fifo/v3/fifo.proto
    File { start: 389998, end: 390153, needs: &[] }, // envoy/extensions/quic/client_writer_factory/v3/default_client_writer.proto
    File { start: 390153, end: 390408, needs: &[489] }, // envoy/extensions/quic/connection_debug_visitor/quic_stats/v3/quic_stats.proto
    File { start: 390408, end: 390570, needs: &[] }, // envoy/extensions/quic/connection_debug_visitor/v3/connection_debug_visitor_basic.proto
    File { start: 390570, end: 391189, needs: &[29, 412] }, // envoy/extensions/quic/connection_id_generator/quic_lb/v3/quic_lb.proto
    File { start: 391189, end: 391391, needs: &[] }, // envoy/extensions/quic/connection_id_generator/v3/envoy_deterministic_connection_id_generator.proto
    File { start: 391391, end: 391527, needs: &[] }, // envoy/extensions/quic/crypto_stream/v3/crypto_stream.proto
    File { start: 391527, end: 391653, needs: &[] }, // envoy/extensions/quic/proof_source/v3/proof_source.proto
    File { start: 391653, end: 392353, needs: &[29] }, // envoy/extensions/quic/server_preferred_address/v3/datasource.proto
    File { start: 392353, end: 393090, needs: &[27] }, // envoy/extensions/quic/server_preferred_address/v3/fixed_server_preferred_address_config.proto
    File { start: 393090, end: 393434, needs: &[485] }, // envoy/extensions/rate_limit_descriptors/expr/v3/expr.proto
    File { start: 393434, end: 393818, needs: &[] }, // envoy/extensions/rate_limit_descriptors/jwt_claim/v3/jwt_claim.proto
    File { start: 393818, end: 393951, needs: &[] }, // envoy/extensions/rbac/audit_loggers/stream/v3/stream.proto
    File { start: 393951, end: 394324, needs: &[27, 476] }, // envoy/extensions/rbac/matchers/upstream_ip_port/v3/upstream_ip_port_matcher.proto
    File { start: 394324, end: 394708, needs: &[411] }, // envoy/extensions/rbac/principals/mtls_authenticated/v3/mtls_authenticated.proto
    File { start: 394708, end: 394816, needs: &[] }, // envoy/extensions/regex_engines/v3/google_re2.proto
    File { start: 394816, end: 395138, needs: &[493] }, // envoy/extensions/request_id/uuid/v3/uuid.proto
    File { start: 395138, end: 395336, needs: &[] }, // envoy/extensions/resource_monitors/cgroup_memory/v3/cgroup_memory.proto
    File { start: 395336, end: 395680, needs: &[] }, // envoy/extensions/resource_monitors/cpu_utilization/v3/cpu_utilization.proto
    File { start: 395680, end: 395947, needs: &[] }, // envoy/extensions/resource_monitors/downstream_connections/v3/downstream_connections.proto
    File { start: 395947, end: 396271, needs: &[29] }, // envoy/extensions/resource_monitors/fixed_heap/v3/fixed_heap.proto
    File { start: 396271, end: 396471, needs: &[] }, // envoy/extensions/resource_monitors/injected_resource/v3/injected_resource.proto
    File { start: 396471, end: 396631, needs: &[] }, // envoy/extensions/retry/host/omit_canary_hosts/v3/omit_canary_hosts.proto
    File { start: 396631, end: 396903, needs: &[29] }, // envoy/extensions/retry/host/omit_host_metadata/v3/omit_host_metadata_config.proto
    File { start: 396903, end: 397052, needs: &[] }, // envoy/extensions/retry/host/previous_hosts/v3/previous_hosts.proto
    File { start: 397052, end: 397276, needs: &[] }, // envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config.proto
    File { start: 397276, end: 398536, needs: &[29, 61, 125, 487] }, // envoy/extensions/router/cluster_specifiers/dynamic_modules/v3/dynamic_modules.proto
    File { start: 398536, end: 398810, needs: &[29] }, // envoy/extensions/router/cluster_specifiers/lua/v3/lua.proto
    File { start: 398810, end: 399118, needs: &[516] }, // envoy/extensions/router/cluster_specifiers/matcher/v3/matcher.proto
    File { start: 399118, end: 399551, needs: &[125, 487] }, // envoy/extensions/stat_sinks/dynamic_modules/v3/dynamic_modules.proto
    File { start: 399551, end: 399954, needs: &[27, 493] }, // envoy/extensions/stat_sinks/graphite_statsd/v3/graphite_statsd.proto
    File { start: 399954, end: 401201, needs: &[33, 35, 37, 493, 498, 516] }, // envoy/extensions/stat_sinks/open_telemetry/v3/open_telemetry.proto
    File { start: 401201, end: 401403, needs: &[426] }, // envoy/extensions/stat_sinks/wasm/v3/wasm.proto
    File { start: 401403, end: 401608, needs: &[29] }, // envoy/extensions/string_matcher/lua/v3/lua.proto
    File { start: 401608, end: 402040, needs: &[125, 487] }, // envoy/extensions/tracers/dynamic_modules/v3/dynamic_modules.proto
    File { start: 402040, end: 402551, needs: &[29, 489, 493] }, // envoy/extensions/tracers/fluentd/v3/fluentd.proto
    File { start: 402551, end: 402752, needs: &[] }, // envoy/extensions/tracers/opentelemetry/resource_detectors/v3/dynatrace_resource_detector.proto
    File { start: 402752, end: 402957, needs: &[] }, // envoy/extensions/tracers/opentelemetry/resource_detectors/v3/environment_resource_detector.proto
    File { start: 402957, end: 403376, needs: &[] }, // envoy/extensions/tracers/opentelemetry/resource_detectors/v3/static_config_resource_detector.proto
    File { start: 403376, end: 403537, needs: &[] }, // envoy/extensions/tracers/opentelemetry/samplers/v3/always_on_sampler.proto
    File { start: 403537, end: 403770, needs: &[519] }, // envoy/extensions/tracers/opentelemetry/samplers/v3/cel_sampler.proto
    File { start: 403770, end: 404150, needs: &[37] }, // envoy/extensions/tracers/opentelemetry/samplers/v3/dynatrace_sampler.proto
    File { start: 404150, end: 404440, needs: &[33] }, // envoy/extensions/tracers/opentelemetry/samplers/v3/parent_based_sampler.proto
    File { start: 404440, end: 404733, needs: &[475] }, // envoy/extensions/tracers/opentelemetry/samplers/v3/trace_id_ratio_based_sampler.proto
    File { start: 404733, end: 404947, needs: &[] }, // envoy/extensions/transport_sockets/alts/v3/alts.proto
    File { start: 404947, end: 405510, needs: &[125, 487] }, // envoy/extensions/transport_sockets/dynamic_modules/v3/dynamic_modules.proto
    File { start: 405510, end: 405922, needs: &[27, 29] }, // envoy/extensions/transport_sockets/http_11_proxy/v3/upstream_http_11_connect.proto
    File { start: 405922, end: 406509, needs: &[29, 470] }, // envoy/extensions/transport_sockets/internal_upstream/v3/internal_upstream.proto
    File { start: 406509, end: 407014, needs: &[29, 40] }, // envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol.proto
    File { start: 407014, end: 407647, needs: &[413, 493] }, // envoy/extensions/transport_sockets/quic/v3/quic_transport.proto
    File { start: 407647, end: 407785, needs: &[] }, // envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.proto
    File { start: 407785, end: 407942, needs: &[] }, // envoy/extensions/transport_sockets/s2a/v3/s2a.proto
    File { start: 407942, end: 408677, needs: &[400, 413] }, // envoy/extensions/transport_sockets/starttls/v3/starttls.proto
    File { start: 408677, end: 409256, needs: &[29, 115] }, // envoy/extensions/transport_sockets/tap/v3/tap.proto
    File { start: 409256, end: 409600, needs: &[29, 489] }, // envoy/extensions/transport_sockets/tcp_stats/v3/tcp_stats.proto
    File { start: 409600, end: 409824, needs: &[] }, // envoy/extensions/transport_sockets/tls/cert_mappers/filter_state_override/v3/config.proto
    File { start: 409824, end: 410009, needs: &[] }, // envoy/extensions/transport_sockets/tls/cert_mappers/sni/v3/config.proto
    File { start: 410009, end: 410200, needs: &[] }, // envoy/extensions/transport_sockets/tls/cert_mappers/static_name/v3/config.proto
    File { start: 410200, end: 410678, needs: &[31, 33] }, // envoy/extensions/transport_sockets/tls/cert_selectors/on_demand_secret/v3/config.proto
    File { start: 410678, end: 411193, needs: &[125, 487] }, // envoy/extensions/transport_sockets/tls/cert_validator/dynamic_modules/v3/dynamic_modules.proto
    File { start: 411193, end: 411298, needs: &[] }, // envoy/extensions/transport_sockets/tls/v3/cert.proto
    File { start: 411298, end: 415273, needs: &[29, 33, 467, 487, 493] }, // envoy/extensions/transport_sockets/tls/v3/common.proto
    File { start: 415273, end: 416361, needs: &[29, 31, 411] }, // envoy/extensions/transport_sockets/tls/v3/secret.proto
    File { start: 416361, end: 421442, needs: &[27, 33, 411, 412, 489, 493] }, // envoy/extensions/transport_sockets/tls/v3/tls.proto
    File { start: 421442, end: 421980, needs: &[29] }, // envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config.proto
    File { start: 421980, end: 422126, needs: &[] }, // envoy/extensions/udp_packet_writer/v3/udp_default_writer_factory.proto
    File { start: 422126, end: 422275, needs: &[] }, // envoy/extensions/udp_packet_writer/v3/udp_gso_batch_writer_factory.proto
    File { start: 422275, end: 422708, needs: &[125, 487] }, // envoy/extensions/upstreams/http/dynamic_modules/v3/dynamic_modules.proto
    File { start: 422708, end: 422864, needs: &[] }, // envoy/extensions/upstreams/http/generic/v3/generic_connection_pool.proto
    File { start: 422864, end: 423008, needs: &[] }, // envoy/extensions/upstreams/http/http/v3/http_connection_pool.proto
    File { start: 423008, end: 423239, needs: &[] }, // envoy/extensions/upstreams/http/reverse_tunnel/v3/reverse_tunnel_codec.proto
    File { start: 423239, end: 423379, needs: &[] }, // envoy/extensions/upstreams/http/tcp/v3/tcp_connection_pool.proto
    File { start: 423379, end: 423519, needs: &[] }, // envoy/extensions/upstreams/http/udp/v3/udp_connection_pool.proto
    File { start: 423519, end: 426351, needs: &[25, 33, 39, 61, 233] }, // envoy/extensions/upstreams/http/v3/http_protocol_options.proto
    File { start: 426351, end: 426505, needs: &[] }, // envoy/extensions/upstreams/tcp/generic/v3/generic_connection_pool.proto
    File { start: 426505, end: 426726, needs: &[489] }, // envoy/extensions/upstreams/tcp/v3/tcp_protocol_options.proto
    File { start: 426726, end: 428823, needs: &[28, 29, 487, 493] }, // envoy/extensions/wasm/v3/wasm.proto
    File { start: 428823, end: 429077, needs: &[489] }, // envoy/extensions/watchdog/backtrace_action/v3/backtrace_action.proto
    File { start: 429077, end: 429392, needs: &[489] }, // envoy/extensions/watchdog/profile_action/v3/profile_action.proto
    File { start: 429392, end: 430197, needs: &[29, 75] }, // envoy/service/accesslog/v3/als.proto
    File { start: 430197, end: 431993, needs: &[27, 29, 492] }, // envoy/service/auth/v3/attribute_context.proto
    File { start: 431993, end: 433324, needs: &[29, 430, 474, 491, 495] }, // envoy/service/auth/v3/external_auth.proto
    File { start: 433324, end: 433406, needs: &[] }, // envoy/service/cluster/v3/cds.proto
    File { start: 433406, end: 433492, needs: &[] }, // envoy/service/discovery/v3/ads.proto
    File { start: 433492, end: 437406, needs: &[29, 487, 489, 495] }, // envoy/service/discovery/v3/discovery.proto
    File { start: 437406, end: 437490, needs: &[] }, // envoy/service/endpoint/v3/eds.proto
    File { start: 437490, end: 437576, needs: &[] }, // envoy/service/endpoint/v3/leds.proto
    File { start: 437576, end: 437996, needs: &[29, 487] }, // envoy/service/event_reporting/v3/event_reporting_service.proto
    File { start: 437996, end: 444520, needs: &[29, 162, 474, 487, 489, 491] }, // envoy/service/ext_proc/v3/external_processor.proto
    File { start: 444520, end: 444620, needs: &[] }, // envoy/service/extension/v3/config_discovery.proto
    File { start: 444620, end: 447056, needs: &[21, 27, 29, 36, 47, 489, 491] }, // envoy/service/health/v3/hds.proto
    File { start: 447056, end: 447140, needs: &[] }, // envoy/service/listener/v3/lds.proto
    File { start: 447140, end: 447712, needs: &[29, 48, 489] }, // envoy/service/load_stats/v3/lrs.proto
    File { start: 447712, end: 448139, needs: &[29, 496] }, // envoy/service/metrics/v3/metrics_service.proto
    File { start: 448139, end: 449465, needs: &[29, 491] }, // envoy/service/network_ext_proc/v3/network_external_processor.proto
    File { start: 449465, end: 450948, needs: &[477, 489] }, // envoy/service/rate_limit_quota/v3/rlqs.proto
    File { start: 450948, end: 452745, needs: &[29, 114, 489, 491, 492] }, // envoy/service/ratelimit/v3/rls.proto
    File { start: 452745, end: 453149, needs: &[492, 495] }, // envoy/service/redis_auth/v3/redis_external_auth.proto
    File { start: 453149, end: 453227, needs: &[] }, // envoy/service/route/v3/rds.proto
    File { start: 453227, end: 453307, needs: &[] }, // envoy/service/route/v3/srds.proto
    File { start: 453307, end: 453499, needs: &[491] }, // envoy/service/runtime/v3/rtds.proto
    File { start: 453499, end: 453579, needs: &[] }, // envoy/service/secret/v3/sds.proto
    File { start: 453579, end: 455650, needs: &[8, 29, 462, 487, 492] }, // envoy/service/status/v3/csds.proto
    File { start: 455650, end: 456073, needs: &[29, 85] }, // envoy/service/tap/v3/tap.proto
    File { start: 456073, end: 456286, needs: &[] }, // envoy/type/ai/v3/api_protocol.proto
    File { start: 456286, end: 456605, needs: &[489] }, // envoy/type/http/v3/cookie.proto
    File { start: 456605, end: 457091, needs: &[] }, // envoy/type/http/v3/path_transformation.proto
    File { start: 457091, end: 458407, needs: &[] }, // envoy/type/http_status.proto
    File { start: 458407, end: 458600, needs: &[511] }, // envoy/type/matcher/v3/address.proto
    File { start: 458600, end: 458951, needs: &[458, 467] }, // envoy/type/matcher/v3/filter_state.proto
    File { start: 458951, end: 459351, needs: &[] }, // envoy/type/matcher/v3/http_inputs.proto
    File { start: 459351, end: 459700, needs: &[469] }, // envoy/type/matcher/v3/metadata.proto
    File { start: 459700, end: 459993, needs: &[467, 468] }, // envoy/type/matcher/v3/node.proto
    File { start: 459993, end: 460197, needs: &[476] }, // envoy/type/matcher/v3/number.proto
    File { start: 460197, end: 460381, needs: &[467] }, // envoy/type/matcher/v3/path.proto
    File { start: 460381, end: 460824, needs: &[493] }, // envoy/type/matcher/v3/regex.proto
    File { start: 460824, end: 461015, needs: &[] }, // envoy/type/matcher/v3/status_code_input.proto
    File { start: 461015, end: 461551, needs: &[465, 514] }, // envoy/type/matcher/v3/string.proto
    File { start: 461551, end: 461846, needs: &[469] }, // envoy/type/matcher/v3/struct.proto
    File { start: 461846, end: 462648, needs: &[463, 467] }, // envoy/type/matcher/v3/value.proto
    File { start: 462648, end: 463237, needs: &[] }, // envoy/type/metadata/v3/metadata.proto
    File { start: 463237, end: 464070, needs: &[470] }, // envoy/type/tracing/v3/custom_tag.proto
    File { start: 464070, end: 464349, needs: &[] }, // envoy/type/v3/hash_policy.proto
    File { start: 464349, end: 464450, needs: &[] }, // envoy/type/v3/http.proto
    File { start: 464450, end: 465775, needs: &[] }, // envoy/type/v3/http_status.proto
    File { start: 465775, end: 466059, needs: &[] }, // envoy/type/v3/percent.proto
    File { start: 466059, end: 466272, needs: &[] }, // envoy/type/v3/range.proto
    File { start: 466272, end: 466876, needs: &[478, 481] }, // envoy/type/v3/ratelimit_strategy.proto
    File { start: 466876, end: 467029, needs: &[] }, // envoy/type/v3/ratelimit_unit.proto
    File { start: 467029, end: 467416, needs: &[493] }, // envoy/type/v3/scope.proto
    File { start: 467416, end: 467588, needs: &[] }, // envoy/type/v3/semantic_version.proto
    File { start: 467588, end: 467890, needs: &[489, 493] }, // envoy/type/v3/token_bucket.proto
    File { start: 467890, end: 468072, needs: &[489] }, // envoy/watchdog/v3/abort_action.proto
    File { start: 468072, end: 468122, needs: &[] }, // google/api/annotations.proto
    File { start: 468122, end: 471154, needs: &[485, 490, 491] }, // google/api/expr/v1alpha1/checked.proto
    File { start: 471154, end: 474671, needs: &[489, 491, 492] }, // google/api/expr/v1alpha1/syntax.proto
    File { start: 474671, end: 475247, needs: &[] }, // google/api/http.proto
    File { start: 475247, end: 475355, needs: &[] }, // google/protobuf/any.proto
    File { start: 475355, end: 486444, needs: &[] }, // google/protobuf/descriptor.proto
    File { start: 486444, end: 486561, needs: &[] }, // google/protobuf/duration.proto
    File { start: 486561, end: 486624, needs: &[] }, // google/protobuf/empty.proto
    File { start: 486624, end: 487233, needs: &[] }, // google/protobuf/struct.proto
    File { start: 487233, end: 487352, needs: &[] }, // google/protobuf/timestamp.proto
    File { start: 487352, end: 487736, needs: &[] }, // google/protobuf/wrappers.proto
    File { start: 487736, end: 488093, needs: &[] }, // google/rpc/code.proto
    File { start: 488093, end: 488269, needs: &[487] }, // google/rpc/status.proto
    File { start: 488269, end: 490750, needs: &[492] }, // io/prometheus/client/metrics.proto
    File { start: 490750, end: 490955, needs: &[] }, // metadata_exchange.proto
    File { start: 490955, end: 492070, needs: &[] }, // opentelemetry/proto/common/v1/common.proto
    File { start: 492070, end: 493444, needs: &[] }, // peer_metadata.proto
    File { start: 493444, end: 494431, needs: &[489] }, // stats.proto
    File { start: 494431, end: 494592, needs: &[491] }, // typed_struct.proto
    File { start: 494592, end: 494851, needs: &[] }, // udpa/annotations/migrate.proto
    File { start: 494851, end: 495088, needs: &[] }, // udpa/annotations/security.proto
    File { start: 495088, end: 495148, needs: &[] }, // udpa/annotations/sensitive.proto
    File { start: 495148, end: 495457, needs: &[] }, // udpa/annotations/status.proto
    File { start: 495457, end: 495594, needs: &[] }, // udpa/annotations/versioning.proto
    File { start: 495594, end: 501539, needs: &[489, 492] }, // validate/validate.proto
    File { start: 501539, end: 501716, needs: &[31] }, // workload.proto
    File { start: 501716, end: 502233, needs: &[] }, // xds/annotations/v3/status.proto
    File { start: 502233, end: 502316, needs: &[] }, // xds/core/v3/authority.proto
    File { start: 502316, end: 502506, needs: &[493] }, // xds/core/v3/cidr.proto
    File { start: 502506, end: 502916, needs: &[487, 515] }, // xds/core/v3/collection_entry.proto
    File { start: 502916, end: 503112, needs: &[] }, // xds/core/v3/context_params.proto
    File { start: 503112, end: 503290, needs: &[487] }, // xds/core/v3/extension.proto
    File { start: 503290, end: 503852, needs: &[513] }, // xds/core/v3/resource_locator.proto
    File { start: 503852, end: 505967, needs: &[514, 518] }, // xds/type/matcher/v3/matcher.proto
    File { start: 505967, end: 506174, needs: &[] }, // xds/type/matcher/v3/regex.proto
    File { start: 506174, end: 506687, needs: &[514, 517] }, // xds/type/matcher/v3/string.proto
    File { start: 506687, end: 507392, needs: &[3, 4, 484, 485, 493] }, // xds/type/v3/cel.proto
    File { start: 507392, end: 508148, needs: &[511, 516, 519] }, // xds_matchers.proto
    File { start: 508148, end: 508312, needs: &[491] }, // xds_typed_struct.proto
];
pub(super) static TYPES: &[(&str, u16)] = &[
    ("cel.expr.CheckedExpr", 3),
    ("cel.expr.Constant", 4),
    ("cel.expr.Decl", 3),
    ("cel.expr.Expr", 4),
    ("cel.expr.ParsedExpr", 4),
    ("cel.expr.Reference", 3),
    ("cel.expr.SourceInfo", 4),
    ("cel.expr.Type", 3),
    ("envoy.admin.v3.BootstrapConfigDump", 7),
    ("envoy.admin.v3.Certificate", 5),
    ("envoy.admin.v3.CertificateDetails", 5),
    ("envoy.admin.v3.Certificates", 5),
    ("envoy.admin.v3.ClusterStatus", 6),
    ("envoy.admin.v3.Clusters", 6),
    ("envoy.admin.v3.ClustersConfigDump", 8),
    ("envoy.admin.v3.CommandLineOptions", 14),
    ("envoy.admin.v3.ConfigDump", 7),
    ("envoy.admin.v3.EcdsConfigDump", 8),
    ("envoy.admin.v3.EndpointsConfigDump", 8),
    ("envoy.admin.v3.HostHealthStatus", 6),
    ("envoy.admin.v3.HostStatus", 6),
    ("envoy.admin.v3.ListenerStatus", 10),
    ("envoy.admin.v3.Listeners", 10),
    ("envoy.admin.v3.ListenersConfigDump", 8),
    ("envoy.admin.v3.Memory", 11),
    ("envoy.admin.v3.MutexStats", 13),
    ("envoy.admin.v3.RoutesConfigDump", 8),
    ("envoy.admin.v3.ScopedRoutesConfigDump", 8),
    ("envoy.admin.v3.SecretsConfigDump", 7),
    ("envoy.admin.v3.ServerInfo", 14),
    ("envoy.admin.v3.SimpleMetric", 12),
    ("envoy.admin.v3.SubjectAlternateName", 5),
    ("envoy.admin.v3.TapRequest", 15),
    ("envoy.admin.v3.UnreadyTargetsDumps", 9),
    ("envoy.admin.v3.UpdateFailureState", 8),
    ("envoy.annotations.ResourceAnnotation", 17),
    ("envoy.config.accesslog.v3.AccessLog", 18),
    ("envoy.config.accesslog.v3.AccessLogFilter", 18),
    ("envoy.config.accesslog.v3.AndFilter", 18),
    ("envoy.config.accesslog.v3.ComparisonFilter", 18),
    ("envoy.config.accesslog.v3.DurationFilter", 18),
    ("envoy.config.accesslog.v3.ExtensionFilter", 18),
    ("envoy.config.accesslog.v3.GrpcStatusFilter", 18),
    ("envoy.config.accesslog.v3.HeaderFilter", 18),
    ("envoy.config.accesslog.v3.LogTypeFilter", 18),
    ("envoy.config.accesslog.v3.MetadataFilter", 18),
    ("envoy.config.accesslog.v3.NotHealthCheckFilter", 18),
    ("envoy.config.accesslog.v3.OrFilter", 18),
    ("envoy.config.accesslog.v3.ResponseFlagFilter", 18),
    ("envoy.config.accesslog.v3.RuntimeFilter", 18),
    ("envoy.config.accesslog.v3.StatusCodeFilter", 18),
    ("envoy.config.accesslog.v3.TraceableFilter", 18),
    ("envoy.config.bootstrap.v3.Admin", 19),
    ("envoy.config.bootstrap.v3.ApiListenerManager", 19),
    ("envoy.config.bootstrap.v3.Bootstrap", 19),
    ("envoy.config.bootstrap.v3.ClusterManager", 19),
    ("envoy.config.bootstrap.v3.CustomInlineHeader", 19),
    ("envoy.config.bootstrap.v3.FatalAction", 19),
    ("envoy.config.bootstrap.v3.LayeredRuntime", 19),
    ("envoy.config.bootstrap.v3.ListenerManager", 19),
    ("envoy.config.bootstrap.v3.MemoryAllocatorManager", 19),
    ("envoy.config.bootstrap.v3.Runtime", 19),
    ("envoy.config.bootstrap.v3.RuntimeLayer", 19),
    ("envoy.config.bootstrap.v3.ValidationListenerManager", 19),
    ("envoy.config.bootstrap.v3.Watchdog", 19),
    ("envoy.config.bootstrap.v3.Watchdogs", 19),
    ("envoy.config.cluster.v3.CircuitBreakers", 20),
    ("envoy.config.cluster.v3.Cluster", 21),
    ("envoy.config.cluster.v3.ClusterCollection", 21),
    ("envoy.config.cluster.v3.Filter", 22),
    ("envoy.config.cluster.v3.LoadBalancingPolicy", 21),
    ("envoy.config.cluster.v3.OutlierDetection", 23),
    ("envoy.config.cluster.v3.TrackClusterStats", 21),
    ("envoy.config.cluster.v3.UpstreamConnectionOptions", 21),
    ("envoy.config.common.key_value.v3.KeyValueStoreConfig", 24),
    ("envoy.config.common.matcher.v3.HttpGenericBodyMatch", 25),
    ("envoy.config.common.matcher.v3.HttpHeadersMatch", 25),
    ("envoy.config.common.matcher.v3.MatchPredicate", 25),
    ("envoy.config.common.matcher.v3.Matcher", 25),
    ("envoy.config.common.mutation_rules.v3.HeaderMutation", 26),
    ("envoy.config.common.mutation_rules.v3.HeaderMutationRules", 26),
    ("envoy.config.core.v3.Address", 27),
    ("envoy.config.core.v3.AggregatedConfigSource", 31),
    ("envoy.config.core.v3.AlternateProtocolsCacheOptions", 39),
    ("envoy.config.core.v3.ApiConfigSource", 31),
    ("envoy.config.core.v3.AsyncDataSource", 29),
    ("envoy.config.core.v3.BackoffStrategy", 28),
    ("envoy.config.core.v3.BindConfig", 27),
    ("envoy.config.core.v3.BuildVersion", 29),
    ("envoy.config.core.v3.CelExpressionConfig", 30),
    ("envoy.config.core.v3.CidrRange", 27),
    ("envoy.config.core.v3.ConfigSource", 31),
    ("envoy.config.core.v3.ControlPlane", 29),
    ("envoy.config.core.v3.DataSource", 29),
    ("envoy.config.core.v3.DnsResolutionConfig", 41),
    ("envoy.config.core.v3.DnsResolverOptions", 41),
    ("envoy.config.core.v3.EnvoyInternalAddress", 27),
    ("envoy.config.core.v3.EventServiceConfig", 32),
    ("envoy.config.core.v3.Extension", 29),
    ("envoy.config.core.v3.ExtensionConfigSource", 31),
    ("envoy.config.core.v3.ExtraSourceAddress", 27),
    ("envoy.config.core.v3.GrpcMethodList", 34),
    ("envoy.config.core.v3.GrpcProtocolOptions", 39),
    ("envoy.config.core.v3.GrpcService", 35),
    ("envoy.config.core.v3.HeaderMap", 29),
    ("envoy.config.core.v3.HeaderValue", 29),
    ("envoy.config.core.v3.HeaderValueOption", 29),
    ("envoy.config.core.v3.HealthCheck", 36),
    ("envoy.config.core.v3.HealthStatusSet", 36),
    ("envoy.config.core.v3.Http1ProtocolOptions", 39),
    ("envoy.config.core.v3.Http2ProtocolOptions", 39),
    ("envoy.config.core.v3.Http3ProtocolOptions", 39),
    ("envoy.config.core.v3.HttpProtocolOptions", 39),
    ("envoy.config.core.v3.HttpService", 37),
    ("envoy.config.core.v3.HttpUri", 38),
    ("envoy.config.core.v3.JsonFormatOptions", 44),
    ("envoy.config.core.v3.KeepaliveSettings", 39),
    ("envoy.config.core.v3.KeyValue", 29),
    ("envoy.config.core.v3.KeyValueAppend", 29),
    ("envoy.config.core.v3.KeyValueMutation", 29),
    ("envoy.config.core.v3.KeyValuePair", 29),
    ("envoy.config.core.v3.Locality", 29),
    ("envoy.config.core.v3.Metadata", 29),
    ("envoy.config.core.v3.Node", 29),
    ("envoy.config.core.v3.PathConfigSource", 31),
    ("envoy.config.core.v3.PerHostConfig", 40),
    ("envoy.config.core.v3.Pipe", 27),
    ("envoy.config.core.v3.ProxyProtocolConfig", 40),
    ("envoy.config.core.v3.ProxyProtocolPassThroughTLVs", 40),
    ("envoy.config.core.v3.QueryParameter", 29),
    ("envoy.config.core.v3.QuicKeepAliveSettings", 39),
    ("envoy.config.core.v3.QuicProtocolOptions", 39),
    ("envoy.config.core.v3.RateLimitSettings", 31),
    ("envoy.config.core.v3.RemoteDataSource", 29),
    ("envoy.config.core.v3.RetryPolicy", 29),
    ("envoy.config.core.v3.RuntimeDouble", 29),
    ("envoy.config.core.v3.RuntimeFeatureFlag", 29),
    ("envoy.config.core.v3.RuntimeFractionalPercent", 29),
    ("envoy.config.core.v3.RuntimePercent", 29),
    ("envoy.config.core.v3.RuntimeUInt32", 29),
    ("envoy.config.core.v3.RuntimeUInt64", 29),
    ("envoy.config.core.v3.SchemeHeaderTransformation", 39),
    ("envoy.config.core.v3.SelfConfigSource", 31),
    ("envoy.config.core.v3.SocketAddress", 27),
    ("envoy.config.core.v3.SocketCmsgHeaders", 42),
    ("envoy.config.core.v3.SocketOption", 43),
    ("envoy.config.core.v3.SocketOptionsOverride", 43),
    ("envoy.config.core.v3.SubstitutionFormatString", 44),
    ("envoy.config.core.v3.TcpKeepalive", 27),
    ("envoy.config.core.v3.TcpProtocolOptions", 39),
    ("envoy.config.core.v3.TlvEntry", 40),
    ("envoy.config.core.v3.TransportSocket", 29),
    ("envoy.config.core.v3.TypedExtensionConfig", 33),
    ("envoy.config.core.v3.UdpSocketConfig", 45),
    ("envoy.config.core.v3.UpstreamHttpProtocolOptions", 39),
    ("envoy.config.core.v3.WatchedDirectory", 29),
    ("envoy.config.endpoint.v3.ClusterLoadAssignment", 46),
    ("envoy.config.endpoint.v3.ClusterStats", 48),
    ("envoy.config.endpoint.v3.Endpoint", 47),
    ("envoy.config.endpoint.v3.EndpointLoadMetricStats", 48),
    ("envoy.config.endpoint.v3.LbEndpoint", 47),
    ("envoy.config.endpoint.v3.LbEndpointCollection", 47),
    ("envoy.config.endpoint.v3.LedsClusterLocalityConfig", 47),
    ("envoy.config.endpoint.v3.LocalityLbEndpoints", 47),
    ("envoy.config.endpoint.v3.UnnamedEndpointLoadMetricStats", 48),
    ("envoy.config.endpoint.v3.UpstreamEndpointStats", 48),
    ("envoy.config.endpoint.v3.UpstreamLocalityStats", 48),
    ("envoy.config.grpc_credential.v3.FileBasedMetadataConfig", 49),
    ("envoy.config.listener.v3.ActiveRawUdpListenerConfig", 54),
    ("envoy.config.listener.v3.AdditionalAddress", 51),
    ("envoy.config.listener.v3.ApiListener", 50),
    ("envoy.config.listener.v3.Filter", 52),
    ("envoy.config.listener.v3.FilterChain", 52),
    ("envoy.config.listener.v3.FilterChainMatch", 52),
    ("envoy.config.listener.v3.Listener", 51),
    ("envoy.config.listener.v3.ListenerCollection", 51),
    ("envoy.config.listener.v3.ListenerFilter", 52),
    ("envoy.config.listener.v3.ListenerFilterChainMatchPredicate", 52),
    ("envoy.config.listener.v3.QuicProtocolOptions", 53),
    ("envoy.config.listener.v3.UdpListenerConfig", 54),
    ("envoy.config.metrics.v3.DogStatsdSink", 56),
    ("envoy.config.metrics.v3.HistogramBucketSettings", 56),
    ("envoy.config.metrics.v3.HystrixSink", 56),
    ("envoy.config.metrics.v3.MetricsServiceConfig", 55),
    ("envoy.config.metrics.v3.StatsConfig", 56),
    ("envoy.config.metrics.v3.StatsMatcher", 56),
    ("envoy.config.metrics.v3.StatsSink", 56),
    ("envoy.config.metrics.v3.StatsdSink", 56),
    ("envoy.config.metrics.v3.TagSpecifier", 56),
    ("envoy.config.overload.v3.BufferFactoryConfig", 57),
    ("envoy.config.overload.v3.LoadShedPoint", 57),
    ("envoy.config.overload.v3.OverloadAction", 57),
    ("envoy.config.overload.v3.OverloadManager", 57),
    ("envoy.config.overload.v3.ResourceMonitor", 57),
    ("envoy.config.overload.v3.ScaleTimersOverloadActionConfig", 57),
    ("envoy.config.overload.v3.ScaledTrigger", 57),
    ("envoy.config.overload.v3.ShrinkHeapConfig", 57),
    ("envoy.config.overload.v3.ThresholdTrigger", 57),
    ("envoy.config.overload.v3.Trigger", 57),
    ("envoy.config.ratelimit.v3.RateLimitServiceConfig", 58),
    ("envoy.config.rbac.v3.Action", 59),
    ("envoy.config.rbac.v3.Permission", 59),
    ("envoy.config.rbac.v3.Policy", 59),
    ("envoy.config.rbac.v3.Principal", 59),
    ("envoy.config.rbac.v3.RBAC", 59),
    ("envoy.config.rbac.v3.SourcedMetadata", 59),
    ("envoy.config.route.v3.ClusterSpecifierPlugin", 61),
    ("envoy.config.route.v3.CookieMatcher", 61),
    ("envoy.config.route.v3.CorsPolicy", 61),
    ("envoy.config.route.v3.Decorator", 61),
    ("envoy.config.route.v3.DirectResponseAction", 61),
    ("envoy.config.route.v3.FilterAction", 61),
    ("envoy.config.route.v3.FilterConfig", 61),
    ("envoy.config.route.v3.HeaderMatcher", 61),
    ("envoy.config.route.v3.HedgePolicy", 61),
    ("envoy.config.route.v3.InternalRedirectPolicy", 61),
    ("envoy.config.route.v3.NonForwardingAction", 61),
    ("envoy.config.route.v3.QueryParameterMatcher", 61),
    ("envoy.config.route.v3.RateLimit", 61),
    ("envoy.config.route.v3.RedirectAction", 61),
    ("envoy.config.route.v3.RetryPolicy", 61),
    ("envoy.config.route.v3.Route", 61),
    ("envoy.config.route.v3.RouteAction", 61),
    ("envoy.config.route.v3.RouteConfiguration", 60),
    ("envoy.config.route.v3.RouteList", 61),
    ("envoy.config.route.v3.RouteMatch", 61),
    ("envoy.config.route.v3.ScopedRouteConfiguration", 62),
    ("envoy.config.route.v3.Tracing", 61),
    ("envoy.config.route.v3.Vhds", 60),
    ("envoy.config.route.v3.VirtualCluster", 61),
    ("envoy.config.route.v3.VirtualHost", 61),
    ("envoy.config.route.v3.WeightedCluster", 61),
    ("envoy.config.tap.v3.BufferedAdminSink", 63),
    ("envoy.config.tap.v3.FilePerTapSink", 63),
    ("envoy.config.tap.v3.HttpGenericBodyMatch", 63),
    ("envoy.config.tap.v3.HttpHeadersMatch", 63),
    ("envoy.config.tap.v3.MatchPredicate", 63),
    ("envoy.config.tap.v3.OutputConfig", 63),
    ("envoy.config.tap.v3.OutputSink", 63),
    ("envoy.config.tap.v3.StreamingAdminSink", 63),
    ("envoy.config.tap.v3.StreamingGrpcSink", 63),
    ("envoy.config.tap.v3.TapConfig", 63),
    ("envoy.config.trace.v3.ClientConfig", 70),
    ("envoy.config.trace.v3.DatadogConfig", 64),
    ("envoy.config.trace.v3.DatadogRemoteConfig", 64),
    ("envoy.config.trace.v3.DynamicOtConfig", 65),
    ("envoy.config.trace.v3.LightstepConfig", 67),
    ("envoy.config.trace.v3.OpenTelemetryConfig", 68),
    ("envoy.config.trace.v3.SkyWalkingConfig", 70),
    ("envoy.config.trace.v3.TraceServiceConfig", 69),
    ("envoy.config.trace.v3.Tracing", 66),
    ("envoy.config.trace.v3.XRayConfig", 72),
    ("envoy.config.trace.v3.ZipkinConfig", 73),
    ("envoy.config.upstream.local_address_selector.v3.DefaultLocalAddressSelector", 74),
    ("envoy.data.accesslog.v3.AccessLogCommon", 75),
    ("envoy.data.accesslog.v3.ConnectionProperties", 75),
    ("envoy.data.accesslog.v3.HTTPAccessLogEntry", 75),
    ("envoy.data.accesslog.v3.HTTPRequestProperties", 75),
    ("envoy.data.accesslog.v3.HTTPResponseProperties", 75),
    ("envoy.data.accesslog.v3.ResponseFlags", 75),
    ("envoy.data.accesslog.v3.TCPAccessLogEntry", 75),
    ("envoy.data.accesslog.v3.TLSProperties", 75),
    ("envoy.data.ai.v3.InputTokenDetails", 77),
    ("envoy.data.ai.v3.OutputTokenDetails", 77),
    ("envoy.data.ai.v3.RequestInfo", 76),
    ("envoy.data.ai.v3.TokenUsage", 77),
    ("envoy.data.cluster.v3.OutlierDetectionEvent", 78),
    ("envoy.data.cluster.v3.OutlierEjectConsecutive", 78),
    ("envoy.data.cluster.v3.OutlierEjectFailurePercentage", 78),
    ("envoy.data.cluster.v3.OutlierEjectSuccessRate", 78),
    ("envoy.data.core.v3.DegradedHealthyHost", 79),
    ("envoy.data.core.v3.HealthCheckAddHealthy", 79),
    ("envoy.data.core.v3.HealthCheckEjectUnhealthy", 79),
    ("envoy.data.core.v3.HealthCheckEvent", 79),
    ("envoy.data.core.v3.HealthCheckFailure", 79),
    ("envoy.data.core.v3.HealthCheckSuccessful", 79),
    ("envoy.data.core.v3.NoLongerDegradedHost", 79),
    ("envoy.data.core.v3.TlvsMetadata", 80),
    ("envoy.data.dns.v3.DnsTable", 81),
    ("envoy.data.tap.v3.Body", 82),
    ("envoy.data.tap.v3.Connection", 82),
    ("envoy.data.tap.v3.HttpBufferedTrace", 83),
    ("envoy.data.tap.v3.HttpStreamedTraceSegment", 83),
    ("envoy.data.tap.v3.SocketBufferedTrace", 84),
    ("envoy.data.tap.v3.SocketEvent", 84),
    ("envoy.data.tap.v3.SocketEvents", 84),
    ("envoy.data.tap.v3.SocketStreamedTraceSegment", 84),
    ("envoy.data.tap.v3.TraceWrapper", 85),
    ("envoy.extensions.access_loggers.dynamic_modules.v3.DynamicModuleAccessLog", 86),
    ("envoy.extensions.access_loggers.file.v3.FileAccessLog", 87),
    ("envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter", 88),
    ("envoy.extensions.access_loggers.filters.process_ratelimit.v3.DynamicTokenBucket", 89),
    ("envoy.extensions.access_loggers.filters.process_ratelimit.v3.ProcessRateLimitFilter", 89),
    ("envoy.extensions.access_loggers.fluentd.v3.FluentdAccessLogConfig", 90),
    ("envoy.extensions.access_loggers.grpc.v3.CommonGrpcAccessLogConfig", 91),
    ("envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig", 91),
    ("envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig", 91),
    ("envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig", 92),
    ("envoy.extensions.access_loggers.stats.v3.Config", 93),
    ("envoy.extensions.access_loggers.stream.v3.StderrAccessLog", 94),
    ("envoy.extensions.access_loggers.stream.v3.StdoutAccessLog", 94),
    ("envoy.extensions.access_loggers.wasm.v3.WasmAccessLog", 95),
    ("envoy.extensions.bootstrap.dynamic_modules.v3.DynamicModuleBootstrapExtension", 96),
    ("envoy.extensions.bootstrap.internal_listener.v3.InternalListener", 97),
    ("envoy.extensions.bootstrap.reverse_tunnel.downstream_socket_interface.v3.DownstreamReverseConnectionSocketInterface", 98),
    ("envoy.extensions.bootstrap.reverse_tunnel.upstream_socket_interface.v3.UpstreamReverseConnectionSocketInterface", 99),
    ("envoy.extensions.clusters.aggregate.v3.AggregateClusterResource", 100),
    ("envoy.extensions.clusters.aggregate.v3.ClusterConfig", 100),
    ("envoy.extensions.clusters.composite.v3.ClusterConfig", 102),
    ("envoy.extensions.clusters.dns.v3.DnsCluster", 103),
    ("envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig", 104),
    ("envoy.extensions.clusters.dynamic_forward_proxy.v3.SubClustersConfig", 104),
    ("envoy.extensions.clusters.dynamic_modules.v3.ClusterConfig", 105),
    ("envoy.extensions.clusters.mcp_multicluster.v3.ClusterConfig", 106),
    ("envoy.extensions.clusters.original_dst.v3.OriginalDstCluster", 107),
    ("envoy.extensions.clusters.redis.v3.RedisClusterConfig", 108),
    ("envoy.extensions.clusters.reverse_connection.v3.ReverseConnectionClusterConfig", 109),
    ("envoy.extensions.common.async_files.v3.AsyncFileManagerConfig", 110),
    ("envoy.extensions.common.aws.v3.AssumeRoleCredentialProvider", 111),
    ("envoy.extensions.common.aws.v3.AssumeRoleWithWebIdentityCredentialProvider", 111),
    ("envoy.extensions.common.aws.v3.AwsCredentialProvider", 111),
    ("envoy.extensions.common.aws.v3.ConfigCredentialProvider", 111),
    ("envoy.extensions.common.aws.v3.ContainerCredentialProvider", 111),
    ("envoy.extensions.common.aws.v3.CredentialsFileCredentialProvider", 111),
    ("envoy.extensions.common.aws.v3.EnvironmentCredentialProvider", 111),
    ("envoy.extensions.common.aws.v3.IAMRolesAnywhereCredentialProvider", 111),
    ("envoy.extensions.common.aws.v3.InlineCredentialProvider", 111),
    ("envoy.extensions.common.aws.v3.InstanceProfileCredentialProvider", 111),
    ("envoy.extensions.common.dynamic_forward_proxy.v3.DnsCacheCircuitBreakers", 112),
    ("envoy.extensions.common.dynamic_forward_proxy.v3.DnsCacheConfig", 112),
    ("envoy.extensions.common.matching.v3.ExtensionWithMatcher", 113),
    ("envoy.extensions.common.matching.v3.ExtensionWithMatcherPerRoute", 113),
    ("envoy.extensions.common.ratelimit.v3.LocalClusterRateLimit", 114),
    ("envoy.extensions.common.ratelimit.v3.LocalRateLimitDescriptor", 114),
    ("envoy.extensions.common.ratelimit.v3.RateLimitDescriptor", 114),
    ("envoy.extensions.common.tap.v3.AdminConfig", 115),
    ("envoy.extensions.common.tap.v3.CommonExtensionConfig", 115),
    ("envoy.extensions.compression.brotli.compressor.v3.Brotli", 116),
    ("envoy.extensions.compression.brotli.decompressor.v3.Brotli", 117),
    ("envoy.extensions.compression.gzip.compressor.v3.Gzip", 118),
    ("envoy.extensions.compression.gzip.decompressor.v3.Gzip", 119),
    ("envoy.extensions.compression.zstd.compressor.v3.Zstd", 120),
    ("envoy.extensions.compression.zstd.decompressor.v3.Zstd", 121),
    ("envoy.extensions.config.validators.dynamic_modules.v3.DynamicModuleConfigValidator", 122),
    ("envoy.extensions.config.validators.minimum_clusters.v3.MinimumClustersValidator", 123),
    ("envoy.extensions.content_parsers.json.v3.JsonContentParser", 124),
    ("envoy.extensions.dynamic_modules.v3.DynamicModuleConfig", 125),
    ("envoy.extensions.early_data.v3.DefaultEarlyDataPolicy", 126),
    ("envoy.extensions.filters.common.dependency.v3.Dependency", 127),
    ("envoy.extensions.filters.common.dependency.v3.FilterDependencies", 127),
    ("envoy.extensions.filters.common.dependency.v3.MatchingRequirements", 127),
    ("envoy.extensions.filters.common.fault.v3.FaultDelay", 128),
    ("envoy.extensions.filters.common.fault.v3.FaultRateLimit", 128),
    ("envoy.extensions.filters.common.jwks.v3.JwksAsyncFetch", 129),
    ("envoy.extensions.filters.common.jwks.v3.JwtHandshakeValidator", 130),
    ("envoy.extensions.filters.common.jwks.v3.RemoteJwks", 129),
    ("envoy.extensions.filters.common.matcher.action.v3.SkipFilter", 131),
    ("envoy.extensions.filters.common.set_filter_state.v3.FilterStateValue", 132),
    ("envoy.extensions.filters.http.a2a.v3.A2a", 133),
    ("envoy.extensions.filters.http.a2a.v3.MethodParsingConfig", 133),
    ("envoy.extensions.filters.http.a2a.v3.ParserConfig", 133),
    ("envoy.extensions.filters.http.adaptive_concurrency.v3.AdaptiveConcurrency", 134),
    ("envoy.extensions.filters.http.adaptive_concurrency.v3.GradientControllerConfig", 134),
    ("envoy.extensions.filters.http.admission_control.v3.AdmissionControl", 135),
    ("envoy.extensions.filters.http.ai_protocol_manager.v3.AiProtocolManager", 136),
    ("envoy.extensions.filters.http.ai_protocol_manager.v3.AiProtocolManagerPerRoute", 136),
    ("envoy.extensions.filters.http.ai_protocol_manager.v3.RequestHandling", 136),
    ("envoy.extensions.filters.http.ai_protocol_manager.v3.RequestParsingLimits", 136),
    ("envoy.extensions.filters.http.ai_protocol_manager.v3.RequestPerRoute", 136),
    ("envoy.extensions.filters.http.ai_protocol_manager.v3.ResponseHandling", 136),
    ("envoy.extensions.filters.http.ai_protocol_manager.v3.ResponsePerRoute", 136),
    ("envoy.extensions.filters.http.ai_protocol_manager.v3.TokenUsageExtraction", 136),
    ("envoy.extensions.filters.http.ai_protocol_manager.v3.TokenUsageExtractionLimits", 136),
    ("envoy.extensions.filters.http.alternate_protocols_cache.v3.FilterConfig", 137),
    ("envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuth", 138),
    ("envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuthPerRoute", 138),
    ("envoy.extensions.filters.http.api_key_auth.v3.Credential", 138),
    ("envoy.extensions.filters.http.api_key_auth.v3.Forwarding", 138),
    ("envoy.extensions.filters.http.api_key_auth.v3.KeySource", 138),
    ("envoy.extensions.filters.http.aws_eventstream_parser.v3.AwsEventstreamParser", 139),
    ("envoy.extensions.filters.http.aws_lambda.v3.Config", 140),
    ("envoy.extensions.filters.http.aws_lambda.v3.Credentials", 140),
    ("envoy.extensions.filters.http.aws_lambda.v3.PerRouteConfig", 140),
    ("envoy.extensions.filters.http.aws_request_signing.v3.AwsRequestSigning", 141),
    ("envoy.extensions.filters.http.aws_request_signing.v3.AwsRequestSigningPerRoute", 141),
    ("envoy.extensions.filters.http.bandwidth_limit.v3.BandwidthLimit", 142),
    ("envoy.extensions.filters.http.bandwidth_share.v3.BandwidthShare", 143),
    ("envoy.extensions.filters.http.basic_auth.v3.BasicAuth", 144),
    ("envoy.extensions.filters.http.basic_auth.v3.BasicAuthPerRoute", 144),
    ("envoy.extensions.filters.http.body_size_limit.v3.BodySizeLimit", 145),
    ("envoy.extensions.filters.http.buffer.v3.Buffer", 146),
    ("envoy.extensions.filters.http.buffer.v3.BufferPerRoute", 146),
    ("envoy.extensions.filters.http.cache.v3.CacheConfig", 147),
    ("envoy.extensions.filters.http.cache_v2.v3.CacheV2Config", 148),
    ("envoy.extensions.filters.http.cdn_loop.v3.CdnLoopConfig", 149),
    ("envoy.extensions.filters.http.composite.v3.Composite", 150),
    ("envoy.extensions.filters.http.composite.v3.CompositePerRoute", 150),
    ("envoy.extensions.filters.http.composite.v3.DynamicConfig", 150),
    ("envoy.extensions.filters.http.composite.v3.ExecuteFilterAction", 150),
    ("envoy.extensions.filters.http.composite.v3.FilterChainConfiguration", 150),
    ("envoy.extensions.filters.http.compressor.v3.Compressor", 151),
    ("envoy.extensions.filters.http.compressor.v3.CompressorOverrides", 151),
    ("envoy.extensions.filters.http.compressor.v3.CompressorPerRoute", 151),
    ("envoy.extensions.filters.http.compressor.v3.ResponseDirectionOverrides", 151),
    ("envoy.extensions.filters.http.connect_grpc_bridge.v3.FilterConfig", 152),
    ("envoy.extensions.filters.http.cors.v3.Cors", 153),
    ("envoy.extensions.filters.http.cors.v3.CorsPolicy", 153),
    ("envoy.extensions.filters.http.credential_injector.v3.CredentialInjector", 154),
    ("envoy.extensions.filters.http.csrf.v3.CsrfPolicy", 155),
    ("envoy.extensions.filters.http.custom_response.v3.CustomResponse", 156),
    ("envoy.extensions.filters.http.decompressor.v3.Decompressor", 157),
    ("envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig", 158),
    ("envoy.extensions.filters.http.dynamic_forward_proxy.v3.PerRouteConfig", 158),
    ("envoy.extensions.filters.http.dynamic_forward_proxy.v3.SubClusterConfig", 158),
    ("envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter", 159),
    ("envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilterPerRoute", 159),
    ("envoy.extensions.filters.http.ext_authz.v3.AuthorizationRequest", 160),
    ("envoy.extensions.filters.http.ext_authz.v3.AuthorizationResponse", 160),
    ("envoy.extensions.filters.http.ext_authz.v3.BufferSettings", 160),
    ("envoy.extensions.filters.http.ext_authz.v3.CheckSettings", 160),
    ("envoy.extensions.filters.http.ext_authz.v3.ExtAuthz", 160),
    ("envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute", 160),
    ("envoy.extensions.filters.http.ext_authz.v3.HttpService", 160),
    ("envoy.extensions.filters.http.ext_authz.v3.ShadowDecision", 160),
    ("envoy.extensions.filters.http.ext_proc.v3.ExtProcHttpService", 161),
    ("envoy.extensions.filters.http.ext_proc.v3.ExtProcOverrides", 161),
    ("envoy.extensions.filters.http.ext_proc.v3.ExtProcPerRoute", 161),
    ("envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor", 161),
    ("envoy.extensions.filters.http.ext_proc.v3.HeaderForwardingRules", 161),
    ("envoy.extensions.filters.http.ext_proc.v3.MetadataOptions", 161),
    ("envoy.extensions.filters.http.ext_proc.v3.ProcessingMode", 162),
    ("envoy.extensions.filters.http.fault.v3.FaultAbort", 163),
    ("envoy.extensions.filters.http.fault.v3.HTTPFault", 163),
    ("envoy.extensions.filters.http.file_server.v3.FileServerConfig", 164),
    ("envoy.extensions.filters.http.file_system_buffer.v3.BufferBehavior", 165),
    ("envoy.extensions.filters.http.file_system_buffer.v3.FileSystemBufferFilterConfig", 165),
    ("envoy.extensions.filters.http.file_system_buffer.v3.StreamConfig", 165),
    ("envoy.extensions.filters.http.filter_chain.v3.FilterChain", 166),
    ("envoy.extensions.filters.http.filter_chain.v3.FilterChainConfig", 166),
    ("envoy.extensions.filters.http.filter_chain.v3.FilterChainConfigPerRoute", 166),
    ("envoy.extensions.filters.http.gcp_authn.v3.Audience", 167),
    ("envoy.extensions.filters.http.gcp_authn.v3.GcpAuthnFilterConfig", 167),
    ("envoy.extensions.filters.http.gcp_authn.v3.TokenCacheConfig", 167),
    ("envoy.extensions.filters.http.gcp_authn.v3.TokenHeader", 167),
    ("envoy.extensions.filters.http.geoip.v3.Geoip", 168),
    ("envoy.extensions.filters.http.grpc_field_extraction.v3.FieldExtractions", 169),
    ("envoy.extensions.filters.http.grpc_field_extraction.v3.GrpcFieldExtractionConfig", 169),
    ("envoy.extensions.filters.http.grpc_field_extraction.v3.RequestFieldValueDisposition", 169),
    ("envoy.extensions.filters.http.grpc_http1_bridge.v3.Config", 170),
    ("envoy.extensions.filters.http.grpc_http1_reverse_bridge.v3.FilterConfig", 171),
    ("envoy.extensions.filters.http.grpc_http1_reverse_bridge.v3.FilterConfigPerRoute", 171),
    ("envoy.extensions.filters.http.grpc_json_reverse_transcoder.v3.GrpcJsonReverseTranscoder", 172),
    ("envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder", 173),
    ("envoy.extensions.filters.http.grpc_json_transcoder.v3.UnknownQueryParams", 173),
    ("envoy.extensions.filters.http.grpc_stats.v3.FilterConfig", 174),
    ("envoy.extensions.filters.http.grpc_stats.v3.FilterObject", 174),
    ("envoy.extensions.filters.http.grpc_web.v3.GrpcWeb", 175),
    ("envoy.extensions.filters.http.gzip.v3.Gzip", 176),
    ("envoy.extensions.filters.http.header_mutation.v3.HeaderMutation", 177),
    ("envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute", 177),
    ("envoy.extensions.filters.http.header_mutation.v3.Mutations", 177),
    ("envoy.extensions.filters.http.header_to_metadata.v3.Config", 178),
    ("envoy.extensions.filters.http.health_check.v3.HealthCheck", 179),
    ("envoy.extensions.filters.http.ip_tagging.v3.IPTagging", 180),
    ("envoy.extensions.filters.http.json_to_metadata.v3.JsonToMetadata", 181),
    ("envoy.extensions.filters.http.jwt_authn.v3.ExtractOnlyWithoutValidation", 182),
    ("envoy.extensions.filters.http.jwt_authn.v3.FilterStateRule", 182),
    ("envoy.extensions.filters.http.jwt_authn.v3.JwksAsyncFetch", 182),
    ("envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication", 182),
    ("envoy.extensions.filters.http.jwt_authn.v3.JwtCacheConfig", 182),
    ("envoy.extensions.filters.http.jwt_authn.v3.JwtClaimToHeader", 182),
    ("envoy.extensions.filters.http.jwt_authn.v3.JwtHeader", 182),
    ("envoy.extensions.filters.http.jwt_authn.v3.JwtProvider", 182),
    ("envoy.extensions.filters.http.jwt_authn.v3.JwtRequirement", 182),
    ("envoy.extensions.filters.http.jwt_authn.v3.JwtRequirementAndList", 182),
    ("envoy.extensions.filters.http.jwt_authn.v3.JwtRequirementOrList", 182),
    ("envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig", 182),
    ("envoy.extensions.filters.http.jwt_authn.v3.ProviderWithAudiences", 182),
    ("envoy.extensions.filters.http.jwt_authn.v3.RemoteJwks", 182),
    ("envoy.extensions.filters.http.jwt_authn.v3.RequirementRule", 182),
    ("envoy.extensions.filters.http.kill_request.v3.KillRequest", 183),
    ("envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit", 184),
    ("envoy.extensions.filters.http.lua.v3.Lua", 185),
    ("envoy.extensions.filters.http.lua.v3.LuaPerRoute", 185),
    ("envoy.extensions.filters.http.mcp.v3.Mcp", 186),
    ("envoy.extensions.filters.http.mcp.v3.McpOverride", 186),
    ("envoy.extensions.filters.http.mcp.v3.ParserConfig", 186),
    ("envoy.extensions.filters.http.mcp_json_rest_bridge.v3.HttpRule", 187),
    ("envoy.extensions.filters.http.mcp_json_rest_bridge.v3.McpJsonRestBridge", 187),
    ("envoy.extensions.filters.http.mcp_json_rest_bridge.v3.McpJsonRestBridgePerRoute", 187),
    ("envoy.extensions.filters.http.mcp_json_rest_bridge.v3.McpServerInfo", 187),
    ("envoy.extensions.filters.http.mcp_json_rest_bridge.v3.ServerInfo", 187),
    ("envoy.extensions.filters.http.mcp_json_rest_bridge.v3.ServerToolConfig", 187),
    ("envoy.extensions.filters.http.mcp_json_rest_bridge.v3.ToolConfig", 187),
    ("envoy.extensions.filters.http.mcp_json_rest_bridge.v3.ToolsListLocal", 187),
    ("envoy.extensions.filters.http.mcp_json_rest_bridge.v3.ToolsListSpecificConfig", 187),
    ("envoy.extensions.filters.http.mcp_json_rest_bridge.v3.TraceContextExtractionOptions", 187),
    ("envoy.extensions.filters.http.mcp_router.v3.DynamicMetadataSource", 188),
    ("envoy.extensions.filters.http.mcp_router.v3.HeaderSource", 188),
    ("envoy.extensions.filters.http.mcp_router.v3.IdentityExtractor", 188),
    ("envoy.extensions.filters.http.mcp_router.v3.McpRouter", 188),
    ("envoy.extensions.filters.http.mcp_router.v3.SessionIdentity", 188),
    ("envoy.extensions.filters.http.mcp_router.v3.ValidationPolicy", 188),
    ("envoy.extensions.filters.http.oauth2.v3.CookieConfig", 189),
    ("envoy.extensions.filters.http.oauth2.v3.CookieConfigs", 189),
    ("envoy.extensions.filters.http.oauth2.v3.OAuth2", 189),
    ("envoy.extensions.filters.http.oauth2.v3.OAuth2Config", 189),
    ("envoy.extensions.filters.http.oauth2.v3.OAuth2Credentials", 189),
    ("envoy.extensions.filters.http.oauth2.v3.OAuth2PerRoute", 189),
    ("envoy.extensions.filters.http.oauth2.v3.OAuth2TokenForwarding", 189),
    ("envoy.extensions.filters.http.oauth2.v3.PostLogoutRedirectUri", 189),
    ("envoy.extensions.filters.http.oauth2.v3.PrivateKeyJwtConfig", 189),
    ("envoy.extensions.filters.http.on_demand.v3.OnDemand", 190),
    ("envoy.extensions.filters.http.on_demand.v3.OnDemandCds", 190),
    ("envoy.extensions.filters.http.on_demand.v3.PerRouteConfig", 190),
    ("envoy.extensions.filters.http.original_src.v3.OriginalSrc", 191),
    ("envoy.extensions.filters.http.proto_api_scrubber.v3.DescriptorSet", 192),
    ("envoy.extensions.filters.http.proto_api_scrubber.v3.MessageRestrictions", 192),
    ("envoy.extensions.filters.http.proto_api_scrubber.v3.MethodRestrictions", 192),
    ("envoy.extensions.filters.http.proto_api_scrubber.v3.ProtoApiScrubberConfig", 192),
    ("envoy.extensions.filters.http.proto_api_scrubber.v3.RemoveFieldAction", 193),
    ("envoy.extensions.filters.http.proto_api_scrubber.v3.RestrictionConfig", 192),
    ("envoy.extensions.filters.http.proto_api_scrubber.v3.Restrictions", 192),
    ("envoy.extensions.filters.http.proto_message_extraction.v3.MethodExtraction", 194),
    ("envoy.extensions.filters.http.proto_message_extraction.v3.ProtoMessageExtractionConfig", 194),
    ("envoy.extensions.filters.http.rate_limit_quota.v3.RateLimitQuotaBucketSettings", 195),
    ("envoy.extensions.filters.http.rate_limit_quota.v3.RateLimitQuotaFilterConfig", 195),
    ("envoy.extensions.filters.http.rate_limit_quota.v3.RateLimitQuotaOverride", 195),
    ("envoy.extensions.filters.http.ratelimit.v3.RateLimit", 196),
    ("envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute", 196),
    ("envoy.extensions.filters.http.rbac.v3.RBAC", 197),
    ("envoy.extensions.filters.http.rbac.v3.RBACPerRoute", 197),
    ("envoy.extensions.filters.http.router.v3.Router", 198),
    ("envoy.extensions.filters.http.set_filter_state.v3.Config", 199),
    ("envoy.extensions.filters.http.set_metadata.v3.Config", 200),
    ("envoy.extensions.filters.http.set_metadata.v3.Metadata", 200),
    ("envoy.extensions.filters.http.sse_to_metadata.v3.SseToMetadata", 201),
    ("envoy.extensions.filters.http.stateful_session.v3.StatefulSession", 202),
    ("envoy.extensions.filters.http.stateful_session.v3.StatefulSessionPerRoute", 202),
    ("envoy.extensions.filters.http.tap.v3.Tap", 203),
    ("envoy.extensions.filters.http.thrift_to_metadata.v3.FieldSelector", 204),
    ("envoy.extensions.filters.http.thrift_to_metadata.v3.KeyValuePair", 204),
    ("envoy.extensions.filters.http.thrift_to_metadata.v3.Rule", 204),
    ("envoy.extensions.filters.http.thrift_to_metadata.v3.ThriftToMetadata", 204),
    ("envoy.extensions.filters.http.thrift_to_metadata.v3.ThriftToMetadataPerRoute", 204),
    ("envoy.extensions.filters.http.transform.v3.BodyTransformation", 205),
    ("envoy.extensions.filters.http.transform.v3.TransformConfig", 205),
    ("envoy.extensions.filters.http.transform.v3.Transformation", 205),
    ("envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec", 206),
    ("envoy.extensions.filters.http.wasm.v3.Wasm", 207),
    ("envoy.extensions.filters.listener.dynamic_modules.v3.DynamicModuleListenerFilter", 208),
    ("envoy.extensions.filters.listener.http_inspector.v3.HttpInspector", 209),
    ("envoy.extensions.filters.listener.local_ratelimit.v3.LocalRateLimit", 210),
    ("envoy.extensions.filters.listener.original_dst.v3.OriginalDst", 211),
    ("envoy.extensions.filters.listener.original_src.v3.OriginalSrc", 212),
    ("envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol", 213),
    ("envoy.extensions.filters.listener.set_filter_state.v3.Config", 214),
    ("envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector", 215),
    ("envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit", 216),
    ("envoy.extensions.filters.network.direct_response.v3.Config", 217),
    ("envoy.extensions.filters.network.dubbo_proxy.router.v3.Router", 218),
    ("envoy.extensions.filters.network.dubbo_proxy.v3.Drds", 219),
    ("envoy.extensions.filters.network.dubbo_proxy.v3.DubboFilter", 219),
    ("envoy.extensions.filters.network.dubbo_proxy.v3.DubboProxy", 219),
    ("envoy.extensions.filters.network.dubbo_proxy.v3.MethodMatch", 220),
    ("envoy.extensions.filters.network.dubbo_proxy.v3.MultipleRouteConfiguration", 220),
    ("envoy.extensions.filters.network.dubbo_proxy.v3.Route", 220),
    ("envoy.extensions.filters.network.dubbo_proxy.v3.RouteAction", 220),
    ("envoy.extensions.filters.network.dubbo_proxy.v3.RouteConfiguration", 220),
    ("envoy.extensions.filters.network.dubbo_proxy.v3.RouteMatch", 220),
    ("envoy.extensions.filters.network.dynamic_modules.v3.DynamicModuleNetworkFilter", 221),
    ("envoy.extensions.filters.network.echo.v3.Echo", 222),
    ("envoy.extensions.filters.network.ext_authz.v3.ExtAuthz", 223),
    ("envoy.extensions.filters.network.ext_proc.v3.MetadataOptions", 224),
    ("envoy.extensions.filters.network.ext_proc.v3.NetworkExternalProcessor", 224),
    ("envoy.extensions.filters.network.ext_proc.v3.ProcessingMode", 224),
    ("envoy.extensions.filters.network.generic_proxy.action.v3.RouteAction", 225),
    ("envoy.extensions.filters.network.generic_proxy.codecs.dubbo.v3.DubboCodecConfig", 226),
    ("envoy.extensions.filters.network.generic_proxy.codecs.http1.v3.Http1CodecConfig", 227),
    ("envoy.extensions.filters.network.generic_proxy.matcher.v3.HostMatchInput", 228),
    ("envoy.extensions.filters.network.generic_proxy.matcher.v3.KeyValueMatchEntry", 228),
    ("envoy.extensions.filters.network.generic_proxy.matcher.v3.MethodMatchInput", 228),
    ("envoy.extensions.filters.network.generic_proxy.matcher.v3.PathMatchInput", 228),
    ("envoy.extensions.filters.network.generic_proxy.matcher.v3.PropertyMatchInput", 228),
    ("envoy.extensions.filters.network.generic_proxy.matcher.v3.RequestMatchInput", 228),
    ("envoy.extensions.filters.network.generic_proxy.matcher.v3.RequestMatcher", 228),
    ("envoy.extensions.filters.network.generic_proxy.matcher.v3.ServiceMatchInput", 228),
    ("envoy.extensions.filters.network.generic_proxy.router.v3.Router", 229),
    ("envoy.extensions.filters.network.generic_proxy.v3.GenericProxy", 230),
    ("envoy.extensions.filters.network.generic_proxy.v3.GenericRds", 230),
    ("envoy.extensions.filters.network.generic_proxy.v3.RouteConfiguration", 231),
    ("envoy.extensions.filters.network.generic_proxy.v3.VirtualHost", 231),
    ("envoy.extensions.filters.network.geoip.v3.Geoip", 232),
    ("envoy.extensions.filters.network.http_connection_manager.v3.EnvoyMobileHttpConnectionManager", 233),
    ("envoy.extensions.filters.network.http_connection_manager.v3.ForwardProtoConfig", 233),
    ("envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", 233),
    ("envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter", 233),
    ("envoy.extensions.filters.network.http_connection_manager.v3.LocalReplyConfig", 233),
    ("envoy.extensions.filters.network.http_connection_manager.v3.Rds", 233),
    ("envoy.extensions.filters.network.http_connection_manager.v3.RequestIDExtension", 233),
    ("envoy.extensions.filters.network.http_connection_manager.v3.ResponseMapper", 233),
    ("envoy.extensions.filters.network.http_connection_manager.v3.ScopedRds", 233),
    ("envoy.extensions.filters.network.http_connection_manager.v3.ScopedRouteConfigurationsList", 233),
    ("envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes", 233),
    ("envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit", 234),
    ("envoy.extensions.filters.network.mongo_proxy.v3.MongoProxy", 235),
    ("envoy.extensions.filters.network.ratelimit.v3.RateLimit", 236),
    ("envoy.extensions.filters.network.rbac.v3.RBAC", 237),
    ("envoy.extensions.filters.network.redis_proxy.v3.AwsIam", 238),
    ("envoy.extensions.filters.network.redis_proxy.v3.RedisExternalAuthProvider", 238),
    ("envoy.extensions.filters.network.redis_proxy.v3.RedisProtocolOptions", 238),
    ("envoy.extensions.filters.network.redis_proxy.v3.RedisProxy", 238),
    ("envoy.extensions.filters.network.reverse_tunnel.v3.DrainAwareHttpConnectionManager", 239),
    ("envoy.extensions.filters.network.reverse_tunnel.v3.ReverseTunnel", 240),
    ("envoy.extensions.filters.network.reverse_tunnel.v3.Validation", 240),
    ("envoy.extensions.filters.network.set_filter_state.v3.Config", 241),
    ("envoy.extensions.filters.network.sni_cluster.v3.SniCluster", 242),
    ("envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3.FilterConfig", 243),
    ("envoy.extensions.filters.network.tcp_bandwidth_limit.v3.TcpBandwidthLimit", 244),
    ("envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", 245),
    ("envoy.extensions.filters.network.thrift_proxy.filters.header_to_metadata.v3.HeaderToMetadata", 246),
    ("envoy.extensions.filters.network.thrift_proxy.filters.payload_to_metadata.v3.PayloadToMetadata", 247),
    ("envoy.extensions.filters.network.thrift_proxy.filters.ratelimit.v3.RateLimit", 248),
    ("envoy.extensions.filters.network.thrift_proxy.router.v3.Router", 249),
    ("envoy.extensions.filters.network.thrift_proxy.v3.Route", 250),
    ("envoy.extensions.filters.network.thrift_proxy.v3.RouteAction", 250),
    ("envoy.extensions.filters.network.thrift_proxy.v3.RouteConfiguration", 250),
    ("envoy.extensions.filters.network.thrift_proxy.v3.RouteMatch", 250),
    ("envoy.extensions.filters.network.thrift_proxy.v3.ThriftFilter", 251),
    ("envoy.extensions.filters.network.thrift_proxy.v3.ThriftProtocolOptions", 251),
    ("envoy.extensions.filters.network.thrift_proxy.v3.ThriftProxy", 251),
    ("envoy.extensions.filters.network.thrift_proxy.v3.Trds", 251),
    ("envoy.extensions.filters.network.thrift_proxy.v3.WeightedCluster", 250),
    ("envoy.extensions.filters.network.wasm.v3.Wasm", 252),
    ("envoy.extensions.filters.network.zookeeper_proxy.v3.LatencyThresholdOverride", 253),
    ("envoy.extensions.filters.network.zookeeper_proxy.v3.ZooKeeperProxy", 253),
    ("envoy.extensions.filters.udp.dns_filter.v3.DnsFilterConfig", 254),
    ("envoy.extensions.filters.udp.dynamic_modules.v3.DynamicModuleUdpListenerFilter", 255),
    ("envoy.extensions.filters.udp.udp_proxy.session.dynamic_forward_proxy.v3.FilterConfig", 256),
    ("envoy.extensions.filters.udp.udp_proxy.session.ext_authz.v3.FilterConfig", 257),
    ("envoy.extensions.filters.udp.udp_proxy.session.http_capsule.v3.FilterConfig", 258),
    ("envoy.extensions.filters.udp.udp_proxy.v3.Route", 259),
    ("envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig", 260),
    ("envoy.extensions.formatter.cel.v3.Cel", 261),
    ("envoy.extensions.formatter.dynamic_modules.v3.DynamicModuleFormatter", 262),
    ("envoy.extensions.formatter.file_content.v3.FileContent", 263),
    ("envoy.extensions.formatter.generic_secret.v3.GenericSecret", 264),
    ("envoy.extensions.formatter.metadata.v3.Metadata", 265),
    ("envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery", 266),
    ("envoy.extensions.geoip_providers.common.v3.CommonGeoipProviderConfig", 267),
    ("envoy.extensions.geoip_providers.maxmind.v3.MaxMindConfig", 268),
    ("envoy.extensions.grpc_service.call_credentials.access_token.v3.AccessTokenCredentials", 269),
    ("envoy.extensions.grpc_service.call_credentials.file_based_metadata.v3.FileBasedMetadataCallCredentials", 270),
    ("envoy.extensions.grpc_service.call_credentials.google_compute_engine.v3.GoogleComputeEngineCredentials", 271),
    ("envoy.extensions.grpc_service.call_credentials.google_iam.v3.GoogleIamCredentials", 272),
    ("envoy.extensions.grpc_service.call_credentials.google_refresh_token.v3.GoogleRefreshTokenCredentials", 273),
    ("envoy.extensions.grpc_service.call_credentials.service_account_jwt_access.v3.ServiceAccountJwtAccessCredentials", 274),
    ("envoy.extensions.grpc_service.call_credentials.sts_service.v3.StsServiceCredentials", 275),
    ("envoy.extensions.grpc_service.channel_credentials.google_default.v3.GoogleDefaultCredentials", 276),
    ("envoy.extensions.grpc_service.channel_credentials.insecure.v3.InsecureCredentials", 277),
    ("envoy.extensions.grpc_service.channel_credentials.local.v3.LocalCredentials", 278),
    ("envoy.extensions.grpc_service.channel_credentials.tls.v3.TlsCredentials", 279),
    ("envoy.extensions.grpc_service.channel_credentials.xds.v3.XdsCredentials", 280),
    ("envoy.extensions.health_check.event_sinks.file.v3.HealthCheckEventFileSink", 281),
    ("envoy.extensions.health_checkers.dynamic_modules.v3.DynamicModuleHealthCheck", 282),
    ("envoy.extensions.health_checkers.redis.v3.Redis", 283),
    ("envoy.extensions.health_checkers.thrift.v3.Thrift", 284),
    ("envoy.extensions.health_checkers.udp.v3.UdpHealthCheck", 285),
    ("envoy.extensions.http.ai_filters.request_info.v3.RequestInfo", 286),
    ("envoy.extensions.http.cache.file_system_http_cache.v3.FileSystemHttpCacheConfig", 287),
    ("envoy.extensions.http.cache.simple_http_cache.v3.SimpleHttpCacheConfig", 288),
    ("envoy.extensions.http.cache_v2.file_system_http_cache.v3.FileSystemHttpCacheV2Config", 289),
    ("envoy.extensions.http.cache_v2.simple_http_cache.v3.SimpleHttpCacheV2Config", 290),
    ("envoy.extensions.http.custom_response.local_response_policy.v3.LocalResponsePolicy", 291),
    ("envoy.extensions.http.custom_response.redirect_policy.v3.RedirectPolicy", 292),
    ("envoy.extensions.http.early_header_mutation.dynamic_modules.v3.DynamicModuleEarlyHeaderMutation", 293),
    ("envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation", 294),
    ("envoy.extensions.http.ext_proc.processing_request_modifiers.mapped_attribute_builder.v3.MappedAttributeBuilder", 295),
    ("envoy.extensions.http.ext_proc.response_processors.save_processing_response.v3.SaveProcessingResponse", 296),
    ("envoy.extensions.http.header_formatters.dynamic_modules.v3.DynamicModuleHeaderFormatter", 297),
    ("envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig", 298),
    ("envoy.extensions.http.header_validators.envoy_default.v3.HeaderValidatorConfig", 299),
    ("envoy.extensions.http.injected_credentials.generic.v3.Generic", 300),
    ("envoy.extensions.http.injected_credentials.oauth2.v3.OAuth2", 301),
    ("envoy.extensions.http.original_ip_detection.custom_header.v3.CustomHeaderConfig", 302),
    ("envoy.extensions.http.original_ip_detection.xff.v3.XffConfig", 303),
    ("envoy.extensions.http.original_ip_detection.xff.v3.XffTrustedCidrs", 303),
    ("envoy.extensions.http.stateful_session.cookie.v3.CookieBasedSessionState", 304),
    ("envoy.extensions.http.stateful_session.envelope.v3.EnvelopeSessionState", 305),
    ("envoy.extensions.http.stateful_session.header.v3.HeaderBasedSessionState", 306),
    ("envoy.extensions.internal_redirect.allow_listed_routes.v3.AllowListedRoutesConfig", 307),
    ("envoy.extensions.internal_redirect.filter_state.v3.FilterStateConfig", 308),
    ("envoy.extensions.internal_redirect.previous_routes.v3.PreviousRoutesConfig", 309),
    ("envoy.extensions.internal_redirect.safe_cross_scheme.v3.SafeCrossSchemeConfig", 310),
    ("envoy.extensions.key_value.file_based.v3.FileBasedKeyValueStoreConfig", 311),
    ("envoy.extensions.load_balancing_policies.client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin", 312),
    ("envoy.extensions.load_balancing_policies.cluster_provided.v3.ClusterProvided", 313),
    ("envoy.extensions.load_balancing_policies.common.v3.ConsistentHashingLbConfig", 314),
    ("envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig", 314),
    ("envoy.extensions.load_balancing_policies.common.v3.OrcaOobReportingConfig", 314),
    ("envoy.extensions.load_balancing_policies.common.v3.SlowStartConfig", 314),
    ("envoy.extensions.load_balancing_policies.dynamic_modules.v3.DynamicModulesLoadBalancerConfig", 315),
    ("envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest", 316),
    ("envoy.extensions.load_balancing_policies.load_aware_locality.v3.LoadAwareLocality", 317),
    ("envoy.extensions.load_balancing_policies.maglev.v3.Maglev", 318),
    ("envoy.extensions.load_balancing_policies.override_host.v3.OverrideHost", 319),
    ("envoy.extensions.load_balancing_policies.pick_first.v3.PickFirst", 320),
    ("envoy.extensions.load_balancing_policies.random.v3.Random", 321),
    ("envoy.extensions.load_balancing_policies.random_subsetting.v3.RandomSubsetting", 322),
    ("envoy.extensions.load_balancing_policies.ring_hash.v3.RingHash", 323),
    ("envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin", 324),
    ("envoy.extensions.load_balancing_policies.subset.v3.Subset", 325),
    ("envoy.extensions.load_balancing_policies.wrr_locality.v3.WrrLocality", 326),
    ("envoy.extensions.local_address_selectors.filter_state_override.v3.Config", 327),
    ("envoy.extensions.matching.actions.transform_stat.v3.TransformStat", 328),
    ("envoy.extensions.matching.common_inputs.environment_variable.v3.Config", 329),
    ("envoy.extensions.matching.common_inputs.network.v3.ApplicationProtocolInput", 330),
    ("envoy.extensions.matching.common_inputs.network.v3.DestinationIPInput", 330),
    ("envoy.extensions.matching.common_inputs.network.v3.DestinationPortInput", 330),
    ("envoy.extensions.matching.common_inputs.network.v3.DirectSourceIPInput", 330),
    ("envoy.extensions.matching.common_inputs.network.v3.DynamicMetadataInput", 330),
    ("envoy.extensions.matching.common_inputs.network.v3.FilterStateInput", 330),
    ("envoy.extensions.matching.common_inputs.network.v3.NetworkNamespaceInput", 330),
    ("envoy.extensions.matching.common_inputs.network.v3.ServerNameInput", 330),
    ("envoy.extensions.matching.common_inputs.network.v3.SourceIPInput", 330),
    ("envoy.extensions.matching.common_inputs.network.v3.SourcePortInput", 330),
    ("envoy.extensions.matching.common_inputs.network.v3.SourceTypeInput", 330),
    ("envoy.extensions.matching.common_inputs.network.v3.TransportProtocolInput", 330),
    ("envoy.extensions.matching.common_inputs.ssl.v3.DnsSanInput", 331),
    ("envoy.extensions.matching.common_inputs.ssl.v3.SubjectInput", 331),
    ("envoy.extensions.matching.common_inputs.ssl.v3.UriSanInput", 331),
    ("envoy.extensions.matching.common_inputs.stats.v3.StatFullNameMatchInput", 332),
    ("envoy.extensions.matching.common_inputs.stats.v3.StatTagValueInput", 332),
    ("envoy.extensions.matching.common_inputs.transport_socket.v3.EndpointMetadataInput", 333),
    ("envoy.extensions.matching.common_inputs.transport_socket.v3.FilterStateInput", 333),
    ("envoy.extensions.matching.common_inputs.transport_socket.v3.LocalityMetadataInput", 333),
    ("envoy.extensions.matching.common_inputs.transport_socket.v3.TransportSocketNameAction", 333),
    ("envoy.extensions.matching.http.dynamic_modules.v3.DynamicModuleDataInput", 334),
    ("envoy.extensions.matching.http.dynamic_modules.v3.HttpDynamicModuleMatchInput", 334),
    ("envoy.extensions.matching.input_matchers.consistent_hashing.v3.ConsistentHashing", 335),
    ("envoy.extensions.matching.input_matchers.dynamic_modules.v3.DynamicModuleMatcher", 336),
    ("envoy.extensions.matching.input_matchers.ip.v3.Ip", 337),
    ("envoy.extensions.matching.input_matchers.metadata.v3.Metadata", 338),
    ("envoy.extensions.matching.input_matchers.runtime_fraction.v3.RuntimeFraction", 339),
    ("envoy.extensions.network.dns_resolver.apple.v3.AppleDnsResolverConfig", 340),
    ("envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig", 341),
    ("envoy.extensions.network.dns_resolver.getaddrinfo.v3.GetAddrInfoDnsResolverConfig", 342),
    ("envoy.extensions.network.dns_resolver.hickory.v3.DnsOverHttpsConfig", 343),
    ("envoy.extensions.network.dns_resolver.hickory.v3.DnsOverTlsConfig", 343),
    ("envoy.extensions.network.dns_resolver.hickory.v3.HickoryDnsResolverConfig", 343),
    ("envoy.extensions.network.socket_interface.sockmap.v3.Sockmap", 344),
    ("envoy.extensions.network.socket_interface.v3.DefaultSocketInterface", 345),
    ("envoy.extensions.network.socket_interface.v3.IoUringOptions", 345),
    ("envoy.extensions.outlier_detection_monitors.common.v3.DatabaseErrors", 346),
    ("envoy.extensions.outlier_detection_monitors.common.v3.ErrorBuckets", 346),
    ("envoy.extensions.outlier_detection_monitors.common.v3.HttpErrors", 346),
    ("envoy.extensions.outlier_detection_monitors.common.v3.LocalOriginErrors", 346),
    ("envoy.extensions.outlier_detection_monitors.consecutive_errors.v3.ConsecutiveErrors", 347),
    ("envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig", 348),
    ("envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig", 349),
    ("envoy.extensions.queue_policy.fifo.v3.FifoQueuePolicyConfig", 350),
    ("envoy.extensions.quic.client_writer_factory.v3.DefaultClientWriter", 351),
    ("envoy.extensions.quic.connection_debug_visitor.quic_stats.v3.Config", 352),
    ("envoy.extensions.quic.connection_debug_visitor.v3.BasicConfig", 353),
    ("envoy.extensions.quic.connection_id_generator.quic_lb.v3.Config", 354),
    ("envoy.extensions.quic.connection_id_generator.v3.DeterministicConnectionIdGeneratorConfig", 355),
    ("envoy.extensions.quic.crypto_stream.v3.CryptoServerStreamConfig", 356),
    ("envoy.extensions.quic.proof_source.v3.ProofSourceConfig", 357),
    ("envoy.extensions.quic.server_preferred_address.v3.DataSourceServerPreferredAddressConfig", 358),
    ("envoy.extensions.quic.server_preferred_address.v3.FixedServerPreferredAddressConfig", 359),
    ("envoy.extensions.rate_limit_descriptors.expr.v3.Descriptor", 360),
    ("envoy.extensions.rate_limit_descriptors.jwt_claim.v3.Descriptor", 361),
    ("envoy.extensions.rbac.audit_loggers.stream.v3.StdoutAuditLog", 362),
    ("envoy.extensions.rbac.matchers.upstream_ip_port.v3.UpstreamIpPortMatcher", 363),
    ("envoy.extensions.rbac.principals.mtls_authenticated.v3.Config", 364),
    ("envoy.extensions.regex_engines.v3.GoogleRE2", 365),
    ("envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig", 366),
    ("envoy.extensions.resource_monitors.cgroup_memory.v3.CgroupMemoryConfig", 367),
    ("envoy.extensions.resource_monitors.cpu_utilization.v3.CpuUtilizationConfig", 368),
    ("envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig", 369),
    ("envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig", 370),
    ("envoy.extensions.resource_monitors.injected_resource.v3.InjectedResourceConfig", 371),
    ("envoy.extensions.retry.host.omit_canary_hosts.v3.OmitCanaryHostsPredicate", 372),
    ("envoy.extensions.retry.host.omit_host_metadata.v3.OmitHostMetadataConfig", 373),
    ("envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate", 374),
    ("envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig", 375),
    ("envoy.extensions.router.cluster_specifiers.dynamic_modules.v3.DynamicModuleClusterSpecifier", 376),
    ("envoy.extensions.router.cluster_specifiers.dynamic_modules.v3.RouteActionOverride", 376),
    ("envoy.extensions.router.cluster_specifiers.lua.v3.LuaConfig", 377),
    ("envoy.extensions.router.cluster_specifiers.matcher.v3.ClusterAction", 378),
    ("envoy.extensions.router.cluster_specifiers.matcher.v3.MatcherClusterSpecifier", 378),
    ("envoy.extensions.stat_sinks.dynamic_modules.v3.DynamicModuleStatsSink", 379),
    ("envoy.extensions.stat_sinks.graphite_statsd.v3.GraphiteStatsdSink", 380),
    ("envoy.extensions.stat_sinks.open_telemetry.v3.SinkConfig", 381),
    ("envoy.extensions.stat_sinks.wasm.v3.Wasm", 382),
    ("envoy.extensions.string_matcher.lua.v3.Lua", 383),
    ("envoy.extensions.tracers.dynamic_modules.v3.DynamicModuleTracer", 384),
    ("envoy.extensions.tracers.fluentd.v3.FluentdConfig", 385),
    ("envoy.extensions.tracers.opentelemetry.resource_detectors.v3.DynatraceResourceDetectorConfig", 386),
    ("envoy.extensions.tracers.opentelemetry.resource_detectors.v3.EnvironmentResourceDetectorConfig", 387),
    ("envoy.extensions.tracers.opentelemetry.resource_detectors.v3.StaticConfigResourceDetectorConfig", 388),
    ("envoy.extensions.tracers.opentelemetry.samplers.v3.AlwaysOnSamplerConfig", 389),
    ("envoy.extensions.tracers.opentelemetry.samplers.v3.CELSamplerConfig", 390),
    ("envoy.extensions.tracers.opentelemetry.samplers.v3.DynatraceSamplerConfig", 391),
    ("envoy.extensions.tracers.opentelemetry.samplers.v3.ParentBasedSamplerConfig", 392),
    ("envoy.extensions.tracers.opentelemetry.samplers.v3.TraceIdRatioBasedSamplerConfig", 393),
    ("envoy.extensions.transport_sockets.alts.v3.Alts", 394),
    ("envoy.extensions.transport_sockets.dynamic_modules.v3.DynamicModuleTransportSocket", 395),
    ("envoy.extensions.transport_sockets.http_11_proxy.v3.Http11ProxyUpstreamTransport", 396),
    ("envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport", 397),
    ("envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport", 398),
    ("envoy.extensions.transport_sockets.quic.v3.QuicDownstreamTransport", 399),
    ("envoy.extensions.transport_sockets.quic.v3.QuicUpstreamTransport", 399),
    ("envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer", 400),
    ("envoy.extensions.transport_sockets.s2a.v3.S2AConfiguration", 401),
    ("envoy.extensions.transport_sockets.starttls.v3.StartTlsConfig", 402),
    ("envoy.extensions.transport_sockets.starttls.v3.UpstreamStartTlsConfig", 402),
    ("envoy.extensions.transport_sockets.tap.v3.SocketTapConfig", 403),
    ("envoy.extensions.transport_sockets.tap.v3.Tap", 403),
    ("envoy.extensions.transport_sockets.tcp_stats.v3.Config", 404),
    ("envoy.extensions.transport_sockets.tls.cert_mappers.filter_state_override.v3.Config", 405),
    ("envoy.extensions.transport_sockets.tls.cert_mappers.sni.v3.SNI", 406),
    ("envoy.extensions.transport_sockets.tls.cert_mappers.static_name.v3.StaticName", 407),
    ("envoy.extensions.transport_sockets.tls.cert_selectors.on_demand_secret.v3.Config", 408),
    ("envoy.extensions.transport_sockets.tls.cert_validator.dynamic_modules.v3.DynamicModuleCertValidatorConfig", 409),
    ("envoy.extensions.transport_sockets.tls.v3.CertificateProviderPluginInstance", 411),
    ("envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext", 411),
    ("envoy.extensions.transport_sockets.tls.v3.CommonTlsContext", 413),
    ("envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext", 413),
    ("envoy.extensions.transport_sockets.tls.v3.GenericSecret", 412),
    ("envoy.extensions.transport_sockets.tls.v3.PrivateKeyProvider", 411),
    ("envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig", 414),
    ("envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig", 412),
    ("envoy.extensions.transport_sockets.tls.v3.Secret", 412),
    ("envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher", 411),
    ("envoy.extensions.transport_sockets.tls.v3.TlsCertificate", 411),
    ("envoy.extensions.transport_sockets.tls.v3.TlsKeyLog", 413),
    ("envoy.extensions.transport_sockets.tls.v3.TlsParameters", 411),
    ("envoy.extensions.transport_sockets.tls.v3.TlsSessionTicketKeys", 411),
    ("envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext", 413),
    ("envoy.extensions.udp_packet_writer.v3.UdpDefaultWriterFactory", 415),
    ("envoy.extensions.udp_packet_writer.v3.UdpGsoBatchWriterFactory", 416),
    ("envoy.extensions.upstreams.http.dynamic_modules.v3.Config", 417),
    ("envoy.extensions.upstreams.http.generic.v3.GenericConnectionPoolProto", 418),
    ("envoy.extensions.upstreams.http.http.v3.HttpConnectionPoolProto", 419),
    ("envoy.extensions.upstreams.http.reverse_tunnel.v3.ReverseTunnelUpstreamCodecOptions", 420),
    ("envoy.extensions.upstreams.http.tcp.v3.TcpConnectionPoolProto", 421),
    ("envoy.extensions.upstreams.http.udp.v3.UdpConnectionPoolProto", 422),
    ("envoy.extensions.upstreams.http.v3.HttpProtocolOptions", 423),
    ("envoy.extensions.upstreams.tcp.generic.v3.GenericConnectionPoolProto", 424),
    ("envoy.extensions.upstreams.tcp.v3.TcpProtocolOptions", 425),
    ("envoy.extensions.wasm.v3.CapabilityRestrictionConfig", 426),
    ("envoy.extensions.wasm.v3.EnvironmentVariables", 426),
    ("envoy.extensions.wasm.v3.PluginConfig", 426),
    ("envoy.extensions.wasm.v3.ReloadConfig", 426),
    ("envoy.extensions.wasm.v3.SanitizationConfig", 426),
    ("envoy.extensions.wasm.v3.VmConfig", 426),
    ("envoy.extensions.wasm.v3.WasmService", 426),
    ("envoy.extensions.watchdog.backtrace_action.v3.BacktraceActionConfig", 427),
    ("envoy.extensions.watchdog.profile_action.v3.ProfileActionConfig", 428),
    ("envoy.service.accesslog.v3.StreamAccessLogsMessage", 429),
    ("envoy.service.accesslog.v3.StreamAccessLogsResponse", 429),
    ("envoy.service.auth.v3.AttributeContext", 430),
    ("envoy.service.auth.v3.CheckRequest", 431),
    ("envoy.service.auth.v3.CheckResponse", 431),
    ("envoy.service.auth.v3.DeniedHttpResponse", 431),
    ("envoy.service.auth.v3.OkHttpResponse", 431),
    ("envoy.service.cluster.v3.CdsDummy", 432),
    ("envoy.service.discovery.v3.AdsDummy", 433),
    ("envoy.service.discovery.v3.DeltaDiscoveryRequest", 434),
    ("envoy.service.discovery.v3.DeltaDiscoveryResponse", 434),
    ("envoy.service.discovery.v3.DiscoveryRequest", 434),
    ("envoy.service.discovery.v3.DiscoveryResponse", 434),
    ("envoy.service.discovery.v3.DynamicParameterConstraints", 434),
    ("envoy.service.discovery.v3.Resource", 434),
    ("envoy.service.discovery.v3.ResourceError", 434),
    ("envoy.service.discovery.v3.ResourceLocator", 434),
    ("envoy.service.discovery.v3.ResourceName", 434),
    ("envoy.service.endpoint.v3.EdsDummy", 435),
    ("envoy.service.endpoint.v3.LedsDummy", 436),
    ("envoy.service.event_reporting.v3.StreamEventsRequest", 437),
    ("envoy.service.event_reporting.v3.StreamEventsResponse", 437),
    ("envoy.service.ext_proc.v3.BodyMutation", 438),
    ("envoy.service.ext_proc.v3.BodyResponse", 438),
    ("envoy.service.ext_proc.v3.CommonResponse", 438),
    ("envoy.service.ext_proc.v3.GrpcStatus", 438),
    ("envoy.service.ext_proc.v3.HeaderMutation", 438),
    ("envoy.service.ext_proc.v3.HeadersResponse", 438),
    ("envoy.service.ext_proc.v3.HttpBody", 438),
    ("envoy.service.ext_proc.v3.HttpHeaders", 438),
    ("envoy.service.ext_proc.v3.HttpTrailers", 438),
    ("envoy.service.ext_proc.v3.ImmediateResponse", 438),
    ("envoy.service.ext_proc.v3.ProcessingRequest", 438),
    ("envoy.service.ext_proc.v3.ProcessingResponse", 438),
    ("envoy.service.ext_proc.v3.ProtocolConfiguration", 438),
    ("envoy.service.ext_proc.v3.StreamedBodyResponse", 438),
    ("envoy.service.ext_proc.v3.StreamedImmediateResponse", 438),
    ("envoy.service.ext_proc.v3.TrailersResponse", 438),
    ("envoy.service.extension.v3.EcdsDummy", 439),
    ("envoy.service.health.v3.Capability", 440),
    ("envoy.service.health.v3.ClusterEndpointsHealth", 440),
    ("envoy.service.health.v3.ClusterHealthCheck", 440),
    ("envoy.service.health.v3.EndpointHealth", 440),
    ("envoy.service.health.v3.EndpointHealthResponse", 440),
    ("envoy.service.health.v3.HdsDummy", 440),
    ("envoy.service.health.v3.HealthCheckRequest", 440),
    ("envoy.service.health.v3.HealthCheckRequestOrEndpointHealthResponse", 440),
    ("envoy.service.health.v3.HealthCheckSpecifier", 440),
    ("envoy.service.health.v3.LocalityEndpoints", 440),
    ("envoy.service.health.v3.LocalityEndpointsHealth", 440),
    ("envoy.service.listener.v3.LdsDummy", 441),
    ("envoy.service.load_stats.v3.LoadStatsRequest", 442),
    ("envoy.service.load_stats.v3.LoadStatsResponse", 442),
    ("envoy.service.metrics.v3.StreamMetricsMessage", 443),
    ("envoy.service.metrics.v3.StreamMetricsResponse", 443),
    ("envoy.service.network_ext_proc.v3.Data", 444),
    ("envoy.service.network_ext_proc.v3.ProcessingRequest", 444),
    ("envoy.service.network_ext_proc.v3.ProcessingResponse", 444),
    ("envoy.service.rate_limit_quota.v3.BucketId", 445),
    ("envoy.service.rate_limit_quota.v3.RateLimitQuotaResponse", 445),
    ("envoy.service.rate_limit_quota.v3.RateLimitQuotaUsageReports", 445),
    ("envoy.service.ratelimit.v3.RateLimitRequest", 446),
    ("envoy.service.ratelimit.v3.RateLimitResponse", 446),
    ("envoy.service.redis_auth.v3.RedisProxyExternalAuthRequest", 447),
    ("envoy.service.redis_auth.v3.RedisProxyExternalAuthResponse", 447),
    ("envoy.service.route.v3.RdsDummy", 448),
    ("envoy.service.route.v3.SrdsDummy", 449),
    ("envoy.service.runtime.v3.RtdsDummy", 450),
    ("envoy.service.runtime.v3.Runtime", 450),
    ("envoy.service.secret.v3.SdsDummy", 451),
    ("envoy.service.status.v3.ClientConfig", 452),
    ("envoy.service.status.v3.ClientStatusRequest", 452),
    ("envoy.service.status.v3.ClientStatusResponse", 452),
    ("envoy.service.status.v3.PerXdsConfig", 452),
    ("envoy.service.tap.v3.StreamTapsRequest", 453),
    ("envoy.service.tap.v3.StreamTapsResponse", 453),
    ("envoy.tcp.metadataexchange.config.MetadataExchange", 497),
    ("envoy.type.HttpStatus", 457),
    ("envoy.type.http.v3.Cookie", 455),
    ("envoy.type.http.v3.CookieAttribute", 455),
    ("envoy.type.http.v3.PathTransformation", 456),
    ("envoy.type.matcher.v3.AddressMatcher", 458),
    ("envoy.type.matcher.v3.DoubleMatcher", 463),
    ("envoy.type.matcher.v3.FilterStateMatcher", 459),
    ("envoy.type.matcher.v3.HttpRequestHeaderMatchInput", 460),
    ("envoy.type.matcher.v3.HttpRequestQueryParamMatchInput", 460),
    ("envoy.type.matcher.v3.HttpRequestTrailerMatchInput", 460),
    ("envoy.type.matcher.v3.HttpResponseHeaderMatchInput", 460),
    ("envoy.type.matcher.v3.HttpResponseLocalReplyMatchInput", 466),
    ("envoy.type.matcher.v3.HttpResponseStatusCodeClassMatchInput", 466),
    ("envoy.type.matcher.v3.HttpResponseStatusCodeMatchInput", 466),
    ("envoy.type.matcher.v3.HttpResponseTrailerMatchInput", 460),
    ("envoy.type.matcher.v3.ListMatcher", 469),
    ("envoy.type.matcher.v3.ListStringMatcher", 467),
    ("envoy.type.matcher.v3.MetadataMatcher", 461),
    ("envoy.type.matcher.v3.NodeMatcher", 462),
    ("envoy.type.matcher.v3.OrMatcher", 469),
    ("envoy.type.matcher.v3.PathMatcher", 464),
    ("envoy.type.matcher.v3.RegexMatchAndSubstitute", 465),
    ("envoy.type.matcher.v3.RegexMatcher", 465),
    ("envoy.type.matcher.v3.StringMatcher", 467),
    ("envoy.type.matcher.v3.StructMatcher", 468),
    ("envoy.type.matcher.v3.ValueMatcher", 469),
    ("envoy.type.metadata.v3.MetadataKey", 470),
    ("envoy.type.metadata.v3.MetadataKind", 470),
    ("envoy.type.tracing.v3.CustomTag", 471),
    ("envoy.type.v3.DoubleRange", 476),
    ("envoy.type.v3.FractionalPercent", 475),
    ("envoy.type.v3.HashPolicy", 472),
    ("envoy.type.v3.HttpStatus", 474),
    ("envoy.type.v3.Int32Range", 476),
    ("envoy.type.v3.Int64Range", 476),
    ("envoy.type.v3.Percent", 475),
    ("envoy.type.v3.RateLimitStrategy", 477),
    ("envoy.type.v3.Scope", 479),
    ("envoy.type.v3.SemanticVersion", 480),
    ("envoy.type.v3.TokenBucket", 481),
    ("envoy.watchdog.v3.AbortActionConfig", 482),
    ("google.api.CustomHttpPattern", 486),
    ("google.api.Http", 486),
    ("google.api.HttpRule", 486),
    ("google.api.expr.v1alpha1.CheckedExpr", 484),
    ("google.api.expr.v1alpha1.Constant", 485),
    ("google.api.expr.v1alpha1.Decl", 484),
    ("google.api.expr.v1alpha1.Expr", 485),
    ("google.api.expr.v1alpha1.ParsedExpr", 485),
    ("google.api.expr.v1alpha1.Reference", 484),
    ("google.api.expr.v1alpha1.SourceInfo", 485),
    ("google.api.expr.v1alpha1.SourcePosition", 485),
    ("google.api.expr.v1alpha1.Type", 484),
    ("google.protobuf.Any", 487),
    ("google.protobuf.BoolValue", 493),
    ("google.protobuf.BytesValue", 493),
    ("google.protobuf.DescriptorProto", 488),
    ("google.protobuf.DoubleValue", 493),
    ("google.protobuf.Duration", 489),
    ("google.protobuf.Empty", 490),
    ("google.protobuf.EnumDescriptorProto", 488),
    ("google.protobuf.EnumOptions", 488),
    ("google.protobuf.EnumValueDescriptorProto", 488),
    ("google.protobuf.EnumValueOptions", 488),
    ("google.protobuf.ExtensionRangeOptions", 488),
    ("google.protobuf.FeatureSet", 488),
    ("google.protobuf.FeatureSetDefaults", 488),
    ("google.protobuf.FieldDescriptorProto", 488),
    ("google.protobuf.FieldOptions", 488),
    ("google.protobuf.FileDescriptorProto", 488),
    ("google.protobuf.FileDescriptorSet", 488),
    ("google.protobuf.FileOptions", 488),
    ("google.protobuf.FloatValue", 493),
    ("google.protobuf.GeneratedCodeInfo", 488),
    ("google.protobuf.Int32Value", 493),
    ("google.protobuf.Int64Value", 493),
    ("google.protobuf.ListValue", 491),
    ("google.protobuf.MessageOptions", 488),
    ("google.protobuf.MethodDescriptorProto", 488),
    ("google.protobuf.MethodOptions", 488),
    ("google.protobuf.OneofDescriptorProto", 488),
    ("google.protobuf.OneofOptions", 488),
    ("google.protobuf.ServiceDescriptorProto", 488),
    ("google.protobuf.ServiceOptions", 488),
    ("google.protobuf.SourceCodeInfo", 488),
    ("google.protobuf.StringValue", 493),
    ("google.protobuf.Struct", 491),
    ("google.protobuf.Timestamp", 492),
    ("google.protobuf.UInt32Value", 493),
    ("google.protobuf.UInt64Value", 493),
    ("google.protobuf.UninterpretedOption", 488),
    ("google.protobuf.Value", 491),
    ("google.rpc.Status", 495),
    ("io.istio.http.peer_metadata.Config", 499),
    ("io.prometheus.client.Bucket", 496),
    ("io.prometheus.client.BucketSpan", 496),
    ("io.prometheus.client.Counter", 496),
    ("io.prometheus.client.Exemplar", 496),
    ("io.prometheus.client.Gauge", 496),
    ("io.prometheus.client.Histogram", 496),
    ("io.prometheus.client.LabelPair", 496),
    ("io.prometheus.client.Metric", 496),
    ("io.prometheus.client.MetricFamily", 496),
    ("io.prometheus.client.Quantile", 496),
    ("io.prometheus.client.Summary", 496),
    ("io.prometheus.client.Untyped", 496),
    ("istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig", 0),
    ("istio.workload.BootstrapExtension", 508),
    ("opentelemetry.proto.common.v1.AnyValue", 498),
    ("opentelemetry.proto.common.v1.ArrayValue", 498),
    ("opentelemetry.proto.common.v1.EntityRef", 498),
    ("opentelemetry.proto.common.v1.InstrumentationScope", 498),
    ("opentelemetry.proto.common.v1.KeyValue", 498),
    ("opentelemetry.proto.common.v1.KeyValueList", 498),
    ("ratelimit.config.ratelimit.v3.RateLimitConfig", 1),
    ("ratelimit.config.ratelimit.v3.RateLimitDescriptor", 1),
    ("ratelimit.config.ratelimit.v3.RateLimitPolicy", 1),
    ("ratelimit.config.ratelimit.v3.RateLimitReplace", 1),
    ("stats.MetricConfig", 500),
    ("stats.MetricDefinition", 500),
    ("stats.PluginConfig", 500),
    ("udpa.annotations.FieldMigrateAnnotation", 502),
    ("udpa.annotations.FieldSecurityAnnotation", 503),
    ("udpa.annotations.FileMigrateAnnotation", 502),
    ("udpa.annotations.MigrateAnnotation", 502),
    ("udpa.annotations.StatusAnnotation", 505),
    ("udpa.annotations.VersioningAnnotation", 506),
    ("udpa.type.v1.TypedStruct", 501),
    ("validate.AnyRules", 507),
    ("validate.BoolRules", 507),
    ("validate.BytesRules", 507),
    ("validate.DoubleRules", 507),
    ("validate.DurationRules", 507),
    ("validate.EnumRules", 507),
    ("validate.FieldRules", 507),
    ("validate.Fixed32Rules", 507),
    ("validate.Fixed64Rules", 507),
    ("validate.FloatRules", 507),
    ("validate.Int32Rules", 507),
    ("validate.Int64Rules", 507),
    ("validate.MapRules", 507),
    ("validate.MessageRules", 507),
    ("validate.RepeatedRules", 507),
    ("validate.SFixed32Rules", 507),
    ("validate.SFixed64Rules", 507),
    ("validate.SInt32Rules", 507),
    ("validate.SInt64Rules", 507),
    ("validate.StringRules", 507),
    ("validate.TimestampRules", 507),
    ("validate.UInt32Rules", 507),
    ("validate.UInt64Rules", 507),
    ("xds.annotations.v3.FieldStatusAnnotation", 509),
    ("xds.annotations.v3.FileStatusAnnotation", 509),
    ("xds.annotations.v3.MessageStatusAnnotation", 509),
    ("xds.annotations.v3.StatusAnnotation", 509),
    ("xds.core.v3.Authority", 510),
    ("xds.core.v3.CidrRange", 511),
    ("xds.core.v3.CollectionEntry", 512),
    ("xds.core.v3.ContextParams", 513),
    ("xds.core.v3.ResourceLocator", 515),
    ("xds.core.v3.TypedExtensionConfig", 514),
    ("xds.type.matcher.v3.CelMatcher", 520),
    ("xds.type.matcher.v3.HttpAttributesCelMatchInput", 520),
    ("xds.type.matcher.v3.IPMatcher", 520),
    ("xds.type.matcher.v3.ListStringMatcher", 518),
    ("xds.type.matcher.v3.Matcher", 516),
    ("xds.type.matcher.v3.RegexMatcher", 517),
    ("xds.type.matcher.v3.ServerNameMatcher", 520),
    ("xds.type.matcher.v3.StringMatcher", 518),
    ("xds.type.v3.CelExpression", 519),
    ("xds.type.v3.CelExtractString", 519),
    ("xds.type.v3.TypedStruct", 521),
];
