package corpus

import (
	"encoding/base64"
	"strings"
)

// key makes a key in the public format of one of the services.
func (g *maker) key() string {
	return strings.TrimSpace(g.pick(
		"sk-"+g.of(alnum, 20)+"T3"+"BlbkFJ"+g.of(alnum, 20), "sk-"+"proj-"+g.of(urlish, 74)+"T3"+"BlbkFJ"+g.of(urlish, 73)+"A", "sk-"+"svcacct-"+g.of(urlish, 60)+"9A",
		"sk-"+"ant-api03-"+g.of(urlish, 93)+"AA", "sk-"+"or-v1-"+g.of(hexa, 64), "xai"+"-"+g.of(alnum, 80), "gsk"+"_"+g.of(alnum, 52), "AI"+"za"+g.of(urlish, 34)+"Q",
		"hf"+"_"+g.of(upper+lowerc, 34), "r8"+"_"+g.of(alnum, 37), "pplx"+"-"+g.of(alnum, 48), "tvly"+"-"+g.of(alnum, 32), "nvapi"+"-"+g.of(urlish, 63)+"x",
		"gh"+"p_"+g.of(alnum, 36), "gh"+"o_"+g.of(alnum, 36), "gh"+"s_"+g.of(alnum, 36), "github"+"_pat_"+g.of(alnum, 22)+"_"+g.of(alnum, 59), "gl"+"pat-"+g.of(urlish, 19)+"k",
		"gl"+"ptt-"+g.of(hexa, 40), "glcbt"+"-64_"+g.of(urlish, 19)+"q", "GR13"+"48941"+g.of(urlish, 19)+"z",
		"AK"+"IA"+g.of(upper+"234567", 16), "AS"+"IA"+g.of(upper+"234567", 16), "ya"+"29."+g.of(urlish, 100)+"a", "GOC"+"SPX-"+g.of(urlish, 27)+"b",
		"xo"+"xb-"+g.of(digits, 12)+"-"+g.of(digits, 12)+"-"+g.of(alnum, 24), "xo"+"xp-"+g.of(digits, 12)+"-"+g.of(digits, 12)+"-"+g.of(digits, 12)+"-"+g.of(hexa, 32), "xa"+"pp-1-A"+g.of(upper+digits, 10)+"-"+g.of(digits, 13)+"-"+g.of(hexa, 64),
		"sk"+"_live_"+g.of(alnum, 24), "rk"+"_test_"+g.of(alnum, 24), "whs"+"ec_"+g.of(alnum, 32), "SG"+"."+g.of(urlish, 22)+"."+g.of(urlish, 42)+"9", "SK"+g.of(hexa, 32),
		"npm"+"_"+g.of(alnum, 36), "pypi"+"-AgEIcHlwaS5vcmc"+g.of(urlish, 120)+"Z", "dop"+"_v1_"+g.of(hexa, 64), "dapi"+g.of(hexa, 32), "hvs"+"."+g.of(urlish, 90)+"T",
		"shp"+"at_"+g.of(hexa, 32), "sq0"+"atp-"+g.of(urlish, 21)+"k", "lin"+"_api_"+g.of(alnum, 40), "ntn"+"_"+g.of(digits, 11)+g.of(alnum, 35), "PMAK"+"-"+g.of(hexa, 24)+"-"+g.of(hexa, 34),
		"dckr"+"_pat_"+g.of(urlish, 26)+"a", "rubygems"+"_"+g.of(hexa, 48), "pul"+"-"+g.of(hexa, 40), "tskey"+"-auth-"+g.of(alnum, 12)+"-"+g.of(alnum, 30),
		"glsa"+"_"+g.of(alnum, 32)+"_"+g.of(hexa, 8), "NRAK"+"-"+g.of(upper+digits, 27), "xkeysib"+"-"+g.of(hexa, 64)+"-"+g.of(alnum, 16), g.of(digits, 10)+":AA"+g.of(urlish, 32)+"s",
		"pat"+g.of(alnum, 14)+"."+g.of(hexa, 64), "sbp"+"_"+g.of(hexa, 40), "figd"+"_"+g.of(urlish, 40)+"g", "ATATT"+"3xFfGF0"+g.of(urlish, 60)+"="+g.of(upper+digits, 8), "EAACE"+"dEose0cBA"+g.of(alnum, 60),
		"dt0"+"c01."+g.of(upper+digits, 24)+"."+g.of(upper+digits, 64), "rdme"+"_"+g.of(lowerc+digits, 70), "pnu"+"_"+g.of(alnum, 36), "sntryu"+"_"+g.of(hexa, 64), "EZAK"+g.of(alnum, 54),
		"duffel"+"_live_"+g.of(urlish, 42)+"a", "shippo"+"_live_"+g.of(hexa, 40), "fo1"+"_"+g.of(urlish, 42)+"b", "sgp"+"_"+g.of(hexa, 40), "sha256"+"~"+g.of(urlish, 42)+"c",
		"1//0"+g.of(urlish, 60)+"d", "key"+"-"+g.of(hexa, 32), g.of(hexa, 32)+"-us"+g.of("123456789", 1)+g.of(digits, 1), "https://hooks"+".slack.com/services/T"+g.of(upper+digits, 8)+"/B"+g.of(upper+digits, 10)+"/"+g.of(alnum, 24),
		"https://discord"+".com/api/webhooks/"+g.of(digits, 18)+"/"+g.of(urlish, 67)+"a", base64.RawStdEncoding.EncodeToString([]byte("1"+g.of(digits, 17)))+"."+g.of(alnum, 6)+"."+g.of(urlish, 27), "e2b"+"_"+g.of(hexa, 40),
		g.of(alnum, 14)+".atlas"+"v1."+g.of(urlish, 66)+"a", g.jwt()))
}
