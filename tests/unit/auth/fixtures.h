/* Made by make_fixtures.py; not to be edited. */
#ifndef EVENTLY_TESTS_UNIT_AUTH_FIXTURES_H
#define EVENTLY_TESTS_UNIT_AUTH_FIXTURES_H

#define TOKEN_HS256 \
	"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ1c2VyX2lkIjo0MiwiZW1haWwiOiJhbm5AZXhhbXBsZS5jb20iLCJyb2x" \
	"lIjoiYWRtaW4iLCJ0eXBlIjoiYWNjZXNzIiwiZXhwIjozMzAwMDAwMDAwMH0.F0u8RO1WXNLe7bguC1DOOPb3lGmfop9M82d" \
	"JB5vFyCg"

#define TOKEN_HS384 \
	"eyJhbGciOiJIUzM4NCIsInR5cCI6IkpXVCJ9.eyJ1c2VyX2lkIjo0MiwiZW1haWwiOiJhbm5AZXhhbXBsZS5jb20iLCJyb2x" \
	"lIjoiYWRtaW4iLCJ0eXBlIjoiYWNjZXNzIiwiZXhwIjozMzAwMDAwMDAwMH0.Tu3w8kIG5RQktdASDi0phzYqTCdMOAdY6e9" \
	"wT_MjygXh7ozYzBfIKsPtraXymdUd"

#define TOKEN_HS512 \
	"eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9.eyJ1c2VyX2lkIjo0MiwiZW1haWwiOiJhbm5AZXhhbXBsZS5jb20iLCJyb2x" \
	"lIjoiYWRtaW4iLCJ0eXBlIjoiYWNjZXNzIiwiZXhwIjozMzAwMDAwMDAwMH0.oJhnn4qlpXDE6p5boOC6MPXG4UhYUqWC5Ku" \
	"uclaEPdLftVk-_jpRQvqinL2aNIvo3WYRZiTlbhLlDD7LGEfO6g"

#define PEM_RSA \
	"-----BEGIN PUBLIC KEY-----\n" \
	"MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAueo5spIYDr5fKctPlk11\n" \
	"tXpbHWHgMkh0hRjL+75B87y+VrmCVRx0tPQyfYuScAd40XRyL/PhDQsuW92kSNmp\n" \
	"oPhg79fBfBMDigkyoXmKUaBdclN8q49b86ls6nY4GO0mlnKIuqipIKBGFXBYCZRg\n" \
	"hhUaj4/CioHgZlmwgV2klHWYy9mscqjB1gF0ubbzXIUQfJgvSuUrF5O5AufFTvvq\n" \
	"ccg9bcFDFPetUcuk4cMScyx247cD7TKiEfrvVukDm/ZqUy0ZimjA8dzPPk1+trvM\n" \
	"Kn7Zwic7JeyFeS12tj/zEiwIAWKW+AlTzkTVCUc2DXVhNlcDi83lyedsPo3xQonL\n" \
	"lQIDAQAB\n" \
	"-----END PUBLIC KEY-----\n"

#define PEM_RSA_OTHER \
	"-----BEGIN PUBLIC KEY-----\n" \
	"MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA1Mx9IX+YLRFD30oeSqAQ\n" \
	"cOQ9Qq2ofebv9qwZfqSY8Zgh29NySEu3XCDATKTfABXCtEKI7DETPPkm6R2ipIv0\n" \
	"DBX/Ik3otv7hEYgTOZy3pXNKbtBtpsEJhvOgzPt+CfscclxFlMEcVBw6tfOW6lvf\n" \
	"YOzRmf4Ksn02lxE5WzJ4d+5iqyDn+7AgHTEI+/lKsNqhoqa7kalj+JO6WcrvZeRg\n" \
	"maPWNZZfzMhYlg5NomK/cu0TaoqsgDxtSytqmpAKeLbW/SuzmmvTUy2I9rHK4ye+\n" \
	"p8uQJdhpv6TygEhx/WpgTAni6FtHmtyFvuGLKUi+oxanltI035o/qLV5a5JhLJJ5\n" \
	"bQIDAQAB\n" \
	"-----END PUBLIC KEY-----\n"

#define PEM_RSA_WEAK \
	"-----BEGIN PUBLIC KEY-----\n" \
	"MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC78pK6jdR6RvaVf+8IrDNQHB8i\n" \
	"UGev6qE4LRaZGLnmsU01SH8/E1eDwKhU6YMn5de3VMSa0seJvI3SzDaE2mwHK//5\n" \
	"115r/3vsQTlQOHhBtp2wYwmBI4PsqzR6uWpcPeZGo1MeTyJ89Bi1/8A9ezWRjMJm\n" \
	"fLMrb5pvuehVlRVePwIDAQAB\n" \
	"-----END PUBLIC KEY-----\n"

#define PEM_P256 \
	"-----BEGIN PUBLIC KEY-----\n" \
	"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8nAlcGQI6wNr6GJP0DuRrj/CCVw/\n" \
	"hnYSZ6VQ0sL9qPO7u4gqNtWzsFZnbgTm70Cb+K5v706IyZkCmHlySWYddQ==\n" \
	"-----END PUBLIC KEY-----\n"

#define PEM_P384 \
	"-----BEGIN PUBLIC KEY-----\n" \
	"MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEOUsq3Ato9Fte1pzDwktkP7mzvNejuFnT\n" \
	"Hk+zRO4vd/xCxeqH70PmtlxVColEYH1F6He+w1iB2Nu/rMel7+iTE6UmMVcTeEaF\n" \
	"0mUyPy0u8zhw5R3Bs3pelD5xZCd0y2to\n" \
	"-----END PUBLIC KEY-----\n"

#define PEM_ED25519 \
	"-----BEGIN PUBLIC KEY-----\n" \
	"MCowBQYDK2VwAyEAhuR0xnFyHnZHbX/eQhrJQvMLQ4kZVj/FLFL/vbeXi/E=\n" \
	"-----END PUBLIC KEY-----\n"

#define PEM_PRIVATE \
	"-----BEGIN PRIVATE KEY-----\n" \
	"MC4CAQAwBQYDK2VwBCIEIEQAbyMp+6MTiuU79GVSOQhHvPIJZOV3AV7gA6ovMObt\n" \
	"-----END PRIVATE KEY-----\n"

#define TOKEN_RS256 \
	"eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJ1c2VyX2lkIjo0MiwiZW1haWwiOiJhbm5AZXhhbXBsZS5jb20iLCJyb2x" \
	"lIjoiYWRtaW4iLCJ0eXBlIjoiYWNjZXNzIiwiZXhwIjozMzAwMDAwMDAwMH0.Ygw2YZjonMZp2mtFVR69hr2Y1GdXJDyk1K_" \
	"Nnm-CVo9ZMT6Dd6onZW-5psFxG35CDAJPk9nGrXA875BlHomgSQkqW7zQBM3sB67kpWHuthrFzskUTacAbZbwcDDXglhGduR" \
	"PE6m17vX-t8sYvUmqLNtKrDaKUKFnoDysfOu4tuL5lFgjHvNFh7sfkOu_eKfXpw2W_6buFZqYg-W6mrM79mzVZ83Wf8g_DcR" \
	"71EvqN2zasXXRD_YLJ9_2SUYtCmbQ9S32cUrtDF-IayyqM8LW372P7ivGPIRSLuaXIL2pvutocVcJ3oD0P4tP9yDAaerXlmy" \
	"V6P71vwdDrlxTBDpaBw"

#define TOKEN_RS256_KID_A \
	"eyJhbGciOiJSUzI1NiIsImtpZCI6ImEiLCJ0eXAiOiJKV1QifQ.eyJ1c2VyX2lkIjo0MiwiZW1haWwiOiJhbm5AZXhhbXBsZ" \
	"S5jb20iLCJyb2xlIjoiYWRtaW4iLCJ0eXBlIjoiYWNjZXNzIiwiZXhwIjozMzAwMDAwMDAwMH0.cgKWpKz_BKeNjJ3QEO1Z_" \
	"l1PdV6rWgGo0beCl4A2QWoQhvZE4DztObB8rMs-3igHauy7MVruoq7afWe_SB7ZSRNEHAzgbWN1BBTJ7BwC3vZR4Gj1SH7EQ" \
	"IirEoRBNOfoQvb0jKSQxtRyRricUAw5WLJzOK6tSNCLoxDFpKHo9TdDt57ram6EliwnfwREaj7tjYybsGKXZ3Ts-LndytQRR" \
	"MTN8CsDvuYVM3J_hLr4XFuNl3k_qtZ3iRNRi-xZA6t4i4x2t9vn7Dk1MUDJHtlVO-nsl5hHoFWObw7WBCjJTmQz_fDsDtPcV" \
	"Q6m6M37n4R-kLfu5P_AevsSSiSRxNjBPA"

#define TOKEN_RS256_KID_B \
	"eyJhbGciOiJSUzI1NiIsImtpZCI6ImIiLCJ0eXAiOiJKV1QifQ.eyJ1c2VyX2lkIjo0MiwiZW1haWwiOiJhbm5AZXhhbXBsZ" \
	"S5jb20iLCJyb2xlIjoiYWRtaW4iLCJ0eXBlIjoiYWNjZXNzIiwiZXhwIjozMzAwMDAwMDAwMH0.xBRM2YlegO91TIvlKmvcu" \
	"EilCMB3F88eAXt45gEhAzibEw53xfVpB9bKO4QBT_GaPMwRKYGnNAQlkq_Tg6IkaqUVYBnGbs7q7SbEjECa6jdQxGFJpiyo2" \
	"q_-_NkOA6x7kOL3XRwfyA6tcWN9xW5zZKDuQPXal0YBIxKYBrycN20yvjPIfON3dfdeX35EMKyH2nVe04JtiZCJdv5BWj2il" \
	"0YR3xpAkvuQ4KQkwZbfzfDGjAbdKb65nTpd-DYF0pEoiJORqvKPQQchiXXZYs9h-p9rspe_Z0W2Xr2V9PPR7ppQveZHjrFaK" \
	"uPxmHuU3dUxCqH7X8LEeu1i5lVqslNanA"

#define TOKEN_RS256_KID_C \
	"eyJhbGciOiJSUzI1NiIsImtpZCI6ImMiLCJ0eXAiOiJKV1QifQ.eyJ1c2VyX2lkIjo0MiwiZW1haWwiOiJhbm5AZXhhbXBsZ" \
	"S5jb20iLCJyb2xlIjoiYWRtaW4iLCJ0eXBlIjoiYWNjZXNzIiwiZXhwIjozMzAwMDAwMDAwMH0.ZhN2DEnLWR6gTBqjg8IuH" \
	"fPilk5rJ8Nv3S5251dmByT1hSt1SfdLOm0sZgjJC3oT9tlHZJbAOK4Bga_ZGY2PkSNA8LjI9XG61F9sz3a1cM6T_mTPC7-Hr" \
	"eU-mOoc70LsLuT0llAzG27PKLTDCb8nokcIzCEnQpyIC-oLKM2VOUD3PiRWw0N0MD_Hdpj-DjA_YeB9q7wI5B_fXO7S7sZiV" \
	"_JLWQzvOPG9TuU6G0SNC4J-SCQiylPX6TWgnc4eEwUwFpqdP3JumIk-uZHgdRcXfBX4yieeihkW6UZug_91aAcdH_eVY0naZ" \
	"5NZIVJmVHHd2guVOr3Ib5-7JOyHyk4gOQ"

#define TOKEN_RS256_WRONG_KID \
	"eyJhbGciOiJSUzI1NiIsImtpZCI6ImIiLCJ0eXAiOiJKV1QifQ.eyJ1c2VyX2lkIjo0MiwiZW1haWwiOiJhbm5AZXhhbXBsZ" \
	"S5jb20iLCJyb2xlIjoiYWRtaW4iLCJ0eXBlIjoiYWNjZXNzIiwiZXhwIjozMzAwMDAwMDAwMH0.Y-JM3ZC-_oJe7hviph5nh" \
	"kLMYUsWYRs8_zloZ8RYfQF2rh66tmESLIryQfZbtjSQYiC7gMgAh7Ii9HV7wreIUE1nU4N4eO4SCnHYzrwXwUvZN2q3QS6HJ" \
	"RmIugCg5Xds9hG-l2ibPI6NhCH94EjSra3Pk9hORCu0VJW9biJ8IAFEnJddyM7wj5xB8BIGU-OfhhaLN5lUNnT_-CbVdlSvg" \
	"QOKNHByP2QupGD3n-ISwic-duP2wgGiECKPXVQW4aHBQYkvct7wtBn1kt1gNCPK6MNra-hO0MfvojFBt2dqDvESEVp8SObrp" \
	"7Rl_9z2hSa3gLhhIrWs3QelGDLVhyy_Ag"

#define TOKEN_PS256 \
	"eyJhbGciOiJQUzI1NiIsInR5cCI6IkpXVCJ9.eyJ1c2VyX2lkIjo0MiwiZW1haWwiOiJhbm5AZXhhbXBsZS5jb20iLCJyb2x" \
	"lIjoiYWRtaW4iLCJ0eXBlIjoiYWNjZXNzIiwiZXhwIjozMzAwMDAwMDAwMH0.A1lSzSOVs3QLTEBu2CJ6cQzp40yQcxbtYdm" \
	"mLSxiPBQvN9SHD8G2GX4KWT0mTULk6V_O-JRqvaxvXnqq3T3EcoO3lKgxT4yIbdVu56JmBJtXJF-1tlSka0s1kUV4WMUXm1c" \
	"I7yaD1BWtQjmq3WDFnZmtYWvDMWLlC3MmtAZtC8VXP_7eGymauwT-16Hpkm704dJ_rU46ILtecXe99lDsn8B4fo7FHiQa8HB" \
	"W5n5v7somUv3nsznr4p14nZTxXY6R-XyeCjLIawwt54I9F-xTK4hBJA8CBgddP8frXNma9SetEdznWtADF65QFLGeURjX4ic" \
	"VRqwMNvbNdMmo7vEWCA"

#define TOKEN_PS256_KID_A \
	"eyJhbGciOiJQUzI1NiIsImtpZCI6ImEiLCJ0eXAiOiJKV1QifQ.eyJ1c2VyX2lkIjo0MiwiZW1haWwiOiJhbm5AZXhhbXBsZ" \
	"S5jb20iLCJyb2xlIjoiYWRtaW4iLCJ0eXBlIjoiYWNjZXNzIiwiZXhwIjozMzAwMDAwMDAwMH0.NzVdzctNwNw0iqNqZa45-" \
	"bNoFp3Ts8N3-ESjiuszPWCnB0aQhwdgIm-Bot-Hf1q-87jGp9Yu4CLr6LHjcwk5mboWgMVYACHMxA2rr7UdyHEtAxQy_r4vk" \
	"37jypPLADAzWf7Qvl41re_cSEhJzMFr5t9Wefl3-jev9d26XVF7bjogieUA3-Anr_8Q1Yc8JaNxZWidGlfFpIbcMLLAo6hHG" \
	"ir85UcV7mN4gmOgMMMEHE0fdWtSDBqnE7PeROxVeYu3y8WftQq_I_hTTLI2cjLc6sY7QEx75VSowblPdeQvGWwQM7eY3aou5" \
	"rhtisjucOftjuNR84l7072FYqsdFvNiKQ"

#define TOKEN_PS256_KID_B \
	"eyJhbGciOiJQUzI1NiIsImtpZCI6ImIiLCJ0eXAiOiJKV1QifQ.eyJ1c2VyX2lkIjo0MiwiZW1haWwiOiJhbm5AZXhhbXBsZ" \
	"S5jb20iLCJyb2xlIjoiYWRtaW4iLCJ0eXBlIjoiYWNjZXNzIiwiZXhwIjozMzAwMDAwMDAwMH0.x_Lmq897vUrnruPRheP-6" \
	"ViTBFi2oear3g6z4O18Io0kXMToEjQqBkzZ_1kImuixp3sau9ibXK0Y2JLbX_y1AEB9fPCiiTL6XuJMqhh44uf1H9jaQnuNU" \
	"BYSMVMrThhjhb6gRfVfrheO599ruu7pinoaaAb3-wUbE_7mbCaa2F4WXkgeAQiEtgcUSEPKTAyNMxojy3i-abNFmVJPb6Rek" \
	"fChpiCyvDIoBuyqsUMnaikiWZTolSPHG1x226sKJGEhyWiTMwivemNU8_3XgEcBkbFtqc2kYSaCsEk90Of89ShIqMwiRnRkd" \
	"jTrvRU1Q8i4CqjUJ-mV4NJuaTNtDeY_2A"

#define TOKEN_PS256_KID_C \
	"eyJhbGciOiJQUzI1NiIsImtpZCI6ImMiLCJ0eXAiOiJKV1QifQ.eyJ1c2VyX2lkIjo0MiwiZW1haWwiOiJhbm5AZXhhbXBsZ" \
	"S5jb20iLCJyb2xlIjoiYWRtaW4iLCJ0eXBlIjoiYWNjZXNzIiwiZXhwIjozMzAwMDAwMDAwMH0.e3qlUWVd5e-5wkdw-QHbX" \
	"jCDe0JLJJgsrKvtEHakBJfpJvwozG9R_tiwz58Y0He0HAqJkC8Dy2IrHj_nyoio7pNkBprCGhStM2MdDMjaXOUC16KzEot_V" \
	"4Nko7S3VVAClQxZ2Z_u5lwhwG61zhxahEiaxkBM1S42YqrYFfrYU0_lig8gx4Mh5vt1zsaNAIvVFxLMcXHO3rFZax_3LMPKx" \
	"H8wy0U_3XpA2_MNvutwNY4BrSsHhTSv2TfiPEU9oVvU7pu2O-hatDSfY5GSkne1KKu-Xyd8fqj3DMno-YJ6SBdstw9rkm7MN" \
	"bV0XbrBFrAOzUwkRegVWbcaxA0BmyfO3g"

#define TOKEN_PS256_WRONG_KID \
	"eyJhbGciOiJQUzI1NiIsImtpZCI6ImIiLCJ0eXAiOiJKV1QifQ.eyJ1c2VyX2lkIjo0MiwiZW1haWwiOiJhbm5AZXhhbXBsZ" \
	"S5jb20iLCJyb2xlIjoiYWRtaW4iLCJ0eXBlIjoiYWNjZXNzIiwiZXhwIjozMzAwMDAwMDAwMH0.kp5a9VnSTfsr5zpLlqKkI" \
	"kAyV8ZWSUdYrYc3mu-2wbbUS9n4UUgknEuUDr7FYhAx9PiUEvPEUw5sZmfYXo5CWvLBRaUMWhDoYc7dhpVFSW4jpheFGXygn" \
	"W8iwj4qqhC_6bX8NNqsWOBCxMo5_TW6D40bKfzSdEYPmDiWL7fPH_HlLJjPcd026ABHNCbxrZEoBm75xmjCv98ki90BPFz2l" \
	"1baNr9upeN65aeYT1gzWsjY2Ugb3h3CMxxE7D4_3GMTTlr_BzZfd1w-Mr8thJ7KaqrDz5jM3RwIzf9DvqetbPw0t9jrpzuaN" \
	"Gv2V_rc5fcLfj7mTZzOAlfWC6oriMmByQ"

#define TOKEN_ES256 \
	"eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJ1c2VyX2lkIjo0MiwiZW1haWwiOiJhbm5AZXhhbXBsZS5jb20iLCJyb2x" \
	"lIjoiYWRtaW4iLCJ0eXBlIjoiYWNjZXNzIiwiZXhwIjozMzAwMDAwMDAwMH0.G3UcBu3hoPlQW8g90w8E3KvaG9qj87d0R6t" \
	"vGS8_s7LYY0yNUH8wrBRi5WmWhpRwb2H9CNsNoz7J4HYdNXPk3A"

#define TOKEN_ES256_KID_A \
	"eyJhbGciOiJFUzI1NiIsImtpZCI6ImEiLCJ0eXAiOiJKV1QifQ.eyJ1c2VyX2lkIjo0MiwiZW1haWwiOiJhbm5AZXhhbXBsZ" \
	"S5jb20iLCJyb2xlIjoiYWRtaW4iLCJ0eXBlIjoiYWNjZXNzIiwiZXhwIjozMzAwMDAwMDAwMH0.zHm3N13wGwGoqQ4a9igS3" \
	"7DkvzDVFKTqyMXKOBD0mmjcQG_NzIEpwp9_o8uSpPvspvBb1UvnyjvnTM10kzX99Q"

#define TOKEN_ES256_KID_B \
	"eyJhbGciOiJFUzI1NiIsImtpZCI6ImIiLCJ0eXAiOiJKV1QifQ.eyJ1c2VyX2lkIjo0MiwiZW1haWwiOiJhbm5AZXhhbXBsZ" \
	"S5jb20iLCJyb2xlIjoiYWRtaW4iLCJ0eXBlIjoiYWNjZXNzIiwiZXhwIjozMzAwMDAwMDAwMH0.6YP6x2UDBMwLLzM_NBTfz" \
	"EHf-NB1scW8z5uD7aNu8hd24T82tSHOiDkC_JTvd1JTGM41KtYiPwtL39TOxeGrHQ"

#define TOKEN_ES256_KID_C \
	"eyJhbGciOiJFUzI1NiIsImtpZCI6ImMiLCJ0eXAiOiJKV1QifQ.eyJ1c2VyX2lkIjo0MiwiZW1haWwiOiJhbm5AZXhhbXBsZ" \
	"S5jb20iLCJyb2xlIjoiYWRtaW4iLCJ0eXBlIjoiYWNjZXNzIiwiZXhwIjozMzAwMDAwMDAwMH0.sAMSSd-bdtvjgrt_5o2dB" \
	"_WiO8OggUsWlAMy2uCHj5Q60FfgCv0vEnuPPn1f2VR9IWFW_DbOXbqFg-_b8BgOaw"

#define TOKEN_ES256_WRONG_KID \
	"eyJhbGciOiJFUzI1NiIsImtpZCI6ImIiLCJ0eXAiOiJKV1QifQ.eyJ1c2VyX2lkIjo0MiwiZW1haWwiOiJhbm5AZXhhbXBsZ" \
	"S5jb20iLCJyb2xlIjoiYWRtaW4iLCJ0eXBlIjoiYWNjZXNzIiwiZXhwIjozMzAwMDAwMDAwMH0.SjYCQ8O6eP8g7vZ_J5CVp" \
	"z__kQeTNfwdHqaOYJcn5FL2HHa0xJp5YM-2DaV7D3YkuF5HeOeKT1ml3_dOcqf1Fw"

#define TOKEN_EDDSA \
	"eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJ1c2VyX2lkIjo0MiwiZW1haWwiOiJhbm5AZXhhbXBsZS5jb20iLCJyb2x" \
	"lIjoiYWRtaW4iLCJ0eXBlIjoiYWNjZXNzIiwiZXhwIjozMzAwMDAwMDAwMH0.AjklygGAqnVeCP7MJMCBB2lmsKqMaAJWNIN" \
	"SSjh1NAnh0jYeeGImrgXwQ-0em6tEzz9lV7jg4dzEhSO_xU82Bw"

#define TOKEN_EDDSA_KID_A \
	"eyJhbGciOiJFZERTQSIsImtpZCI6ImEiLCJ0eXAiOiJKV1QifQ.eyJ1c2VyX2lkIjo0MiwiZW1haWwiOiJhbm5AZXhhbXBsZ" \
	"S5jb20iLCJyb2xlIjoiYWRtaW4iLCJ0eXBlIjoiYWNjZXNzIiwiZXhwIjozMzAwMDAwMDAwMH0.1BwDmoNMVlpsujWuQNKIX" \
	"N6J6k4SsIpf572tUNdHSqdTj-B1fG11CZGkjK5kALZ5StetypRhvKAY2VI591WjBg"

#define TOKEN_EDDSA_KID_B \
	"eyJhbGciOiJFZERTQSIsImtpZCI6ImIiLCJ0eXAiOiJKV1QifQ.eyJ1c2VyX2lkIjo0MiwiZW1haWwiOiJhbm5AZXhhbXBsZ" \
	"S5jb20iLCJyb2xlIjoiYWRtaW4iLCJ0eXBlIjoiYWNjZXNzIiwiZXhwIjozMzAwMDAwMDAwMH0.BlVexRdVbKx_8v7LVmCYY" \
	"2W2CG3keRC43i_Wx9YyreYVAvUs_LoWxGrYN_I0MoUePk9BSbGn0SpEY3KS0YAODw"

#define TOKEN_EDDSA_KID_C \
	"eyJhbGciOiJFZERTQSIsImtpZCI6ImMiLCJ0eXAiOiJKV1QifQ.eyJ1c2VyX2lkIjo0MiwiZW1haWwiOiJhbm5AZXhhbXBsZ" \
	"S5jb20iLCJyb2xlIjoiYWRtaW4iLCJ0eXBlIjoiYWNjZXNzIiwiZXhwIjozMzAwMDAwMDAwMH0.oKAlUEzwMCYSWaaV0o2OT" \
	"E4KB3vTTtmx6fpJYoOjqZqNYSUoOLciysJawcimvec7TmMfEquqDfmmmGrpwDLqAA"

#define TOKEN_EDDSA_WRONG_KID \
	"eyJhbGciOiJFZERTQSIsImtpZCI6ImIiLCJ0eXAiOiJKV1QifQ.eyJ1c2VyX2lkIjo0MiwiZW1haWwiOiJhbm5AZXhhbXBsZ" \
	"S5jb20iLCJyb2xlIjoiYWRtaW4iLCJ0eXBlIjoiYWNjZXNzIiwiZXhwIjozMzAwMDAwMDAwMH0.T9CAgf5byPJ9Hlt65IR8r" \
	"-JqCEj1oNg5BqVkPpTLoDEx4GhjxuKRxfaBRZaO2QD5mFOqqrLtu5vVoL5nMOXxBA"

#define JWKS \
	"{\"keys\": [{\"kty\": \"RSA\", \"n\": \"ueo5spIYDr5fKctPlk11tXpbHWHgMkh0hRjL-75B87y-VrmCVRx0tPQyfYuScAd40" \
	"XRyL_PhDQsuW92kSNmpoPhg79fBfBMDigkyoXmKUaBdclN8q49b86ls6nY4GO0mlnKIuqipIKBGFXBYCZRghhUaj4_CioHgZ" \
	"lmwgV2klHWYy9mscqjB1gF0ubbzXIUQfJgvSuUrF5O5AufFTvvqccg9bcFDFPetUcuk4cMScyx247cD7TKiEfrvVukDm_ZqU" \
	"y0ZimjA8dzPPk1-trvMKn7Zwic7JeyFeS12tj_zEiwIAWKW-AlTzkTVCUc2DXVhNlcDi83lyedsPo3xQonLlQ\", \"e\": \"AQ" \
	"AB\", \"kid\": \"a\", \"use\": \"sig\"}, {\"kty\": \"EC\", \"crv\": \"P-256\", \"x\": \"8nAlcGQI6wNr6GJP0DuRrj_CCVw_" \
	"hnYSZ6VQ0sL9qPM\", \"y\": \"u7uIKjbVs7BWZ24E5u9Am_iub-9OiMmZAph5cklmHXU\", \"kid\": \"a\", \"key_ops\": [\"v" \
	"erify\"]}, {\"kty\": \"OKP\", \"crv\": \"Ed25519\", \"x\": \"huR0xnFyHnZHbX_eQhrJQvMLQ4kZVj_FLFL_vbeXi_E\", \"" \
	"kid\": \"a\"}, {\"kty\": \"RSA\", \"n\": \"1Mx9IX-YLRFD30oeSqAQcOQ9Qq2ofebv9qwZfqSY8Zgh29NySEu3XCDATKTfABX" \
	"CtEKI7DETPPkm6R2ipIv0DBX_Ik3otv7hEYgTOZy3pXNKbtBtpsEJhvOgzPt-CfscclxFlMEcVBw6tfOW6lvfYOzRmf4Ksn0" \
	"2lxE5WzJ4d-5iqyDn-7AgHTEI-_lKsNqhoqa7kalj-JO6WcrvZeRgmaPWNZZfzMhYlg5NomK_cu0TaoqsgDxtSytqmpAKeLb" \
	"W_SuzmmvTUy2I9rHK4ye-p8uQJdhpv6TygEhx_WpgTAni6FtHmtyFvuGLKUi-oxanltI035o_qLV5a5JhLJJ5bQ\", \"e\": \"" \
	"AQAB\", \"kid\": \"b\", \"x5c\": [\"ignored\"]}, {\"kty\": \"EC\", \"crv\": \"P-256\", \"x\": \"woz2Mp3QcSrN19WWWA10" \
	"kfjCimUpbqTwuj-AIaVyYu0\", \"y\": \"TGhksG7Jbv45t-dWb-NEQVeJ06D7-SK7BZA1o4te1Qg\", \"kid\": \"b\", \"alg\":" \
	" \"ES256\"}, {\"kty\": \"OKP\", \"crv\": \"Ed25519\", \"x\": \"blOXI6aVaAvbgl9S8sdz16cCLu5BIyLaa_tKbxfrGbU\", " \
	"\"kid\": \"b\", \"alg\": \"EdDSA\"}, {\"kty\": \"RSA\", \"n\": \"ueo5spIYDr5fKctPlk11tXpbHWHgMkh0hRjL-75B87y-Vr" \
	"mCVRx0tPQyfYuScAd40XRyL_PhDQsuW92kSNmpoPhg79fBfBMDigkyoXmKUaBdclN8q49b86ls6nY4GO0mlnKIuqipIKBGFX" \
	"BYCZRghhUaj4_CioHgZlmwgV2klHWYy9mscqjB1gF0ubbzXIUQfJgvSuUrF5O5AufFTvvqccg9bcFDFPetUcuk4cMScyx247" \
	"cD7TKiEfrvVukDm_ZqUy0ZimjA8dzPPk1-trvMKn7Zwic7JeyFeS12tj_zEiwIAWKW-AlTzkTVCUc2DXVhNlcDi83lyedsPo" \
	"3xQonLlQ\", \"e\": \"AQAB\", \"kid\": \"c\", \"use\": \"enc\"}, {\"kty\": \"EC\", \"crv\": \"P-256\", \"x\": \"8nAlcGQI6" \
	"wNr6GJP0DuRrj_CCVw_hnYSZ6VQ0sL9qPM\", \"y\": \"u7uIKjbVs7BWZ24E5u9Am_iub-9OiMmZAph5cklmHXU\", \"kid\": " \
	"\"c\", \"alg\": \"ECDH-ES\"}, {\"kty\": \"OKP\", \"crv\": \"Ed25519\", \"x\": \"huR0xnFyHnZHbX_eQhrJQvMLQ4kZVj_FL" \
	"FL_vbeXi_E\", \"kid\": \"c\", \"key_ops\": [\"sign\"]}, {\"kty\": \"future\", \"kid\": \"c\"}]}"

#define JWKS_WEAK \
	"{\"keys\": [{\"kty\": \"RSA\", \"n\": \"u_KSuo3Uekb2lX_vCKwzUBwfIlBnr-qhOC0WmRi55rFNNUh_PxNXg8CoVOmDJ-XXt" \
	"1TEmtLHibyN0sw2hNpsByv_-ddea_977EE5UDh4QbadsGMJgSOD7Ks0erlqXD3mRqNTHk8ifPQYtf_APXs1kYzCZnyzK2-ab" \
	"7noVZUVXj8\", \"e\": \"AQAB\", \"kid\": \"weak\"}, {\"kty\": \"RSA\", \"n\": \"ueo5spIYDr5fKctPlk11tXpbHWHgMkh0h" \
	"RjL-75B87y-VrmCVRx0tPQyfYuScAd40XRyL_PhDQsuW92kSNmpoPhg79fBfBMDigkyoXmKUaBdclN8q49b86ls6nY4GO0ml" \
	"nKIuqipIKBGFXBYCZRghhUaj4_CioHgZlmwgV2klHWYy9mscqjB1gF0ubbzXIUQfJgvSuUrF5O5AufFTvvqccg9bcFDFPetU" \
	"cuk4cMScyx247cD7TKiEfrvVukDm_ZqUy0ZimjA8dzPPk1-trvMKn7Zwic7JeyFeS12tj_zEiwIAWKW-AlTzkTVCUc2DXVhN" \
	"lcDi83lyedsPo3xQonLlQ\", \"e\": \"AQAB\", \"kid\": \"a\"}]}"

#define JWKS_PRIVATE \
	"{\"keys\": [{\"kty\": \"EC\", \"crv\": \"P-256\", \"x\": \"8nAlcGQI6wNr6GJP0DuRrj_CCVw_hnYSZ6VQ0sL9qPM\", \"y\":" \
	" \"u7uIKjbVs7BWZ24E5u9Am_iub-9OiMmZAph5cklmHXU\", \"kid\": \"a\", \"d\": \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" \
	"AAAAAAAAAAAAE\"}]}"

#define JWKS_SYMMETRIC \
	"{\"keys\": [{\"kty\": \"RSA\", \"n\": \"ueo5spIYDr5fKctPlk11tXpbHWHgMkh0hRjL-75B87y-VrmCVRx0tPQyfYuScAd40" \
	"XRyL_PhDQsuW92kSNmpoPhg79fBfBMDigkyoXmKUaBdclN8q49b86ls6nY4GO0mlnKIuqipIKBGFXBYCZRghhUaj4_CioHgZ" \
	"lmwgV2klHWYy9mscqjB1gF0ubbzXIUQfJgvSuUrF5O5AufFTvvqccg9bcFDFPetUcuk4cMScyx247cD7TKiEfrvVukDm_ZqU" \
	"y0ZimjA8dzPPk1-trvMKn7Zwic7JeyFeS12tj_zEiwIAWKW-AlTzkTVCUc2DXVhNlcDi83lyedsPo3xQonLlQ\", \"e\": \"AQ" \
	"AB\"}, {\"kty\": \"oct\", \"k\": \"YW4tZXhhbXBsZS1zZWNyZXQtb2Ytc29tZS00MC1ieXRlcy1pbi1hbGw\"}]}"

#define JWKS_OFF_CURVE \
	"{\"keys\": [{\"kty\": \"EC\", \"crv\": \"P-256\", \"x\": \"8nAlcGQI6wNr6GJP0DuRrj_CCVw_hnYSZ6VQ0sL9qPM\", \"y\":" \
	" \"u7uIKjbVs7BWZ24E5u9Am_iub-9OiMmZAph5cklmHXQ\"}]}"

#define JWKS_SHORT_COORDINATE \
	"{\"keys\": [{\"kty\": \"EC\", \"crv\": \"P-256\", \"x\": \"8nAlcGQI6wNr6GJP0DuRrj_CCVw_hnYSZ6VQ0sL9qPM\", \"y\":" \
	" \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}]}"

#define JWKS_EXPONENT_ONE \
	"{\"keys\": [{\"kty\": \"RSA\", \"n\": \"ueo5spIYDr5fKctPlk11tXpbHWHgMkh0hRjL-75B87y-VrmCVRx0tPQyfYuScAd40" \
	"XRyL_PhDQsuW92kSNmpoPhg79fBfBMDigkyoXmKUaBdclN8q49b86ls6nY4GO0mlnKIuqipIKBGFXBYCZRghhUaj4_CioHgZ" \
	"lmwgV2klHWYy9mscqjB1gF0ubbzXIUQfJgvSuUrF5O5AufFTvvqccg9bcFDFPetUcuk4cMScyx247cD7TKiEfrvVukDm_ZqU" \
	"y0ZimjA8dzPPk1-trvMKn7Zwic7JeyFeS12tj_zEiwIAWKW-AlTzkTVCUc2DXVhNlcDi83lyedsPo3xQonLlQ\", \"e\": \"AQ" \
	"\"}]}"

#define JWKS_PADDED \
	"{\"keys\": [{\"kty\": \"OKP\", \"crv\": \"Ed25519\", \"x\": \"huR0xnFyHnZHbX_eQhrJQvMLQ4kZVj_FLFL_vbeXi_E=\"}]" \
	"}"

#define JWKS_NO_MODULUS \
	"{\"keys\": [{\"kty\": \"RSA\", \"e\": \"AQAB\"}]}"

#define JWKS_KID_NUMBER \
	"{\"keys\": [{\"kty\": \"OKP\", \"crv\": \"Ed25519\", \"x\": \"huR0xnFyHnZHbX_eQhrJQvMLQ4kZVj_FLFL_vbeXi_E\", \"" \
	"kid\": 7}]}"

#define CONFUSED_RSA \
	"eyJhbGciOiAiSFMyNTYiLCAidHlwIjogIkpXVCJ9.eyJ1c2VyX2lkIjogNDIsICJlbWFpbCI6ICJhbm5AZXhhbXBsZS5jb20" \
	"iLCAicm9sZSI6ICJhZG1pbiIsICJ0eXBlIjogImFjY2VzcyIsICJleHAiOiAzMzAwMDAwMDAwMH0.yxFK67jUOaN9N8rSzg3" \
	"xacejlpkXD0yqgxAX6TCt_0o"

#define CONFUSED_P256 \
	"eyJhbGciOiAiSFMyNTYiLCAidHlwIjogIkpXVCJ9.eyJ1c2VyX2lkIjogNDIsICJlbWFpbCI6ICJhbm5AZXhhbXBsZS5jb20" \
	"iLCAicm9sZSI6ICJhZG1pbiIsICJ0eXBlIjogImFjY2VzcyIsICJleHAiOiAzMzAwMDAwMDAwMH0.b-w7VHfOuL-_QNbEya2" \
	"X2PJi_Ztpv6Ij4IjLVB8kFMg"

#define CONFUSED_ED25519 \
	"eyJhbGciOiAiSFMyNTYiLCAidHlwIjogIkpXVCJ9.eyJ1c2VyX2lkIjogNDIsICJlbWFpbCI6ICJhbm5AZXhhbXBsZS5jb20" \
	"iLCAicm9sZSI6ICJhZG1pbiIsICJ0eXBlIjogImFjY2VzcyIsICJleHAiOiAzMzAwMDAwMDAwMH0.JOgAos-ARbWjPeH-Ruc" \
	"iDTZ0Y6eQ8WaEWzYxV3Hk9fQ"

#define PS256_SALT_20 \
	"eyJhbGciOiAiUFMyNTYiLCAidHlwIjogIkpXVCJ9.eyJ1c2VyX2lkIjogNDIsICJlbWFpbCI6ICJhbm5AZXhhbXBsZS5jb20" \
	"iLCAicm9sZSI6ICJhZG1pbiIsICJ0eXBlIjogImFjY2VzcyIsICJleHAiOiAzMzAwMDAwMDAwMH0.GgeOB4LwQj4iywUmpWU" \
	"yacGaowYDGGLU0YHxHiysmupDIqPlt7zUW9j29hqj_KdzstIUPVCzu8qxyj8LmiE7VaHbuchJZoTyxqXQPTCeHBtcsXSscIJ" \
	"38ARd1QUip7w49eWTlzUuKG0SODzEHZrqOOO-Bfdzw2QmEsnU_jn732b9R91dPH_2UlKNRoGSjBgsp-nSGMJ5ibjorsjvnPh" \
	"LCWguutkjxT72iqUS7uBeITr0dHeO7e2oqW4w-jmVKlxVTel5dOaZJuE2kwMJsMLJdSJzVAemMLdqKPnDOdPIIT76SUptVj4" \
	"ursU-lZgeIodO_nl37KRJX1V0q-xWoPWUrA"

#define RS256_AS_PS256 \
	"eyJhbGciOiAiUFMyNTYiLCAidHlwIjogIkpXVCJ9.eyJ1c2VyX2lkIjogNDIsICJlbWFpbCI6ICJhbm5AZXhhbXBsZS5jb20" \
	"iLCAicm9sZSI6ICJhZG1pbiIsICJ0eXBlIjogImFjY2VzcyIsICJleHAiOiAzMzAwMDAwMDAwMH0.HdELteUS4GswpiXHxGV" \
	"qQyhw-hVrBUhRCosyXtrxyfnWXcaf4wpypLu_mIXc_9KMrvxyDhzNfrWhUxyzaxjan8SsUfPO7iUz0QjuZqKBhSYWAcwBDk5" \
	"_EUB87afBDoIqnMFpQjvHrp4NUEUzAu0LyugovWjAc0qjTmxi1xv7V5M1uuWqUhRgENb3-D3VOf7rSG7Hzbe-sW7Tm9JBCdv" \
	"pbUlIXSoAZ_4bOz__znu7DrNnQDVCt2WDgwdnNBDWXMLiWFUX-W9y2ciu4NDcVuCjw88lBLqvKPhNczG_MvNbrzNrLeXU0TY" \
	"iTwxhNPMsxkfoAkZ9tnXGMDy-4CrCbSD9pw"

#define RS256_SHA512 \
	"eyJhbGciOiAiUlMyNTYiLCAidHlwIjogIkpXVCJ9.eyJ1c2VyX2lkIjogNDIsICJlbWFpbCI6ICJhbm5AZXhhbXBsZS5jb20" \
	"iLCAicm9sZSI6ICJhZG1pbiIsICJ0eXBlIjogImFjY2VzcyIsICJleHAiOiAzMzAwMDAwMDAwMH0.mGF_uKaWlfpm7nYA9_W" \
	"d1sVzyN8-Mv-HFp034lF8jpPvm1nNCTFoKurnn-pCKzJ0obho8ZOs-8ez1eUOtZY5SeeycvEK882fF87j4zIPbfi89PebF1S" \
	"D0nHwXPzayKzjPkL65-MxzteCy_H38FgfPvtDoqnMc8rOPU1oFx69HYRsSp4cazhbJ3dqxuHJ6eysrPm3sZMjRNx2GnVG-sK" \
	"niZ9VcjePpGX_X91atyy_Lcwmd0Z3I9le78qm799l2ptwXpNJX2u1FLfdPWjiyOxDjnj77IUDU9NNlGRW3xAWGdQFk0AJNvX" \
	"Lgr4_eXrHufJ7zd2a9M_juHfxvtIJuX7sNQ"

#define ES256_DER \
	"eyJhbGciOiAiRVMyNTYiLCAidHlwIjogIkpXVCJ9.eyJ1c2VyX2lkIjogNDIsICJlbWFpbCI6ICJhbm5AZXhhbXBsZS5jb20" \
	"iLCAicm9sZSI6ICJhZG1pbiIsICJ0eXBlIjogImFjY2VzcyIsICJleHAiOiAzMzAwMDAwMDAwMH0.MEMCHxlHTl9z6_2wnq2" \
	"NmNwuvOhPXPbCK4km-Pjek79EvKYCIHQIvCelss9nGcipYUTUaAzuM86y8KZ17FrYN-M3hHLf"

#define ES256_ZERO \
	"eyJhbGciOiAiRVMyNTYiLCAidHlwIjogIkpXVCJ9.eyJ1c2VyX2lkIjogNDIsICJlbWFpbCI6ICJhbm5AZXhhbXBsZS5jb20" \
	"iLCAicm9sZSI6ICJhZG1pbiIsICJ0eXBlIjogImFjY2VzcyIsICJleHAiOiAzMzAwMDAwMDAwMH0.AAAAAAAAAAAAAAAAAAA" \
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

#define ES256_LONG \
	"eyJhbGciOiAiRVMyNTYiLCAidHlwIjogIkpXVCJ9.eyJ1c2VyX2lkIjogNDIsICJlbWFpbCI6ICJhbm5AZXhhbXBsZS5jb20" \
	"iLCAicm9sZSI6ICJhZG1pbiIsICJ0eXBlIjogImFjY2VzcyIsICJleHAiOiAzMzAwMDAwMDAwMH0.ABaYdqxlmAoG_v5XCCz" \
	"qiOcWXu4h9rDOVpEDnYOQGNKDAB0U5onFbtmJy8q50lyZJ-S9zXaZZaKmbVvIdTTQNhCm"

#define EDDSA_MALLEABLE \
	"eyJhbGciOiAiRWREU0EiLCAidHlwIjogIkpXVCJ9.eyJ1c2VyX2lkIjogNDIsICJlbWFpbCI6ICJhbm5AZXhhbXBsZS5jb20" \
	"iLCAicm9sZSI6ICJhZG1pbiIsICJ0eXBlIjogImFjY2VzcyIsICJleHAiOiAzMzAwMDAwMDAwMH0.2zmeXqgrR1KDFah_yTu" \
	"1ciiYIO6GfKeRW2nMCj0LFHAkvItTuSUWvFOithCA3HCELjL0e7_vxyUL32h3V0FxEA"

#endif
